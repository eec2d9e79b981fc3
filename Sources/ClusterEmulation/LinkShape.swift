import JobConfiguration

/// What each direction of a link lets through.
package struct LinkShape: Codable, Hashable, Sendable {
    /// Nil for as many as the machine can.
    package var bitsPerSecond: Int?
    package var latencyMicroseconds = 0
    package var lossPercent = 0.0

    package init(bitsPerSecond: Int? = nil, latencyMicroseconds: Int = 0, lossPercent: Double = 0) {
        self.bitsPerSecond = bitsPerSecond
        self.latencyMicroseconds = latencyMicroseconds
        self.lossPercent = lossPercent
    }

    package init(_ settings: LinkSettings) {
        bitsPerSecond = settings.bandwidth?.bitsPerSecond
        latencyMicroseconds = settings.latency?.microseconds ?? 0
        lossPercent = settings.loss?.percent ?? 0
    }

    /// This shape with what `changes` states in its place.
    package func changed(by changes: LinkSettings) -> LinkShape {
        var shape = self
        if let bandwidth = changes.bandwidth { shape.bitsPerSecond = bandwidth.bitsPerSecond }
        if let latency = changes.latency { shape.latencyMicroseconds = latency.microseconds }
        if let loss = changes.loss { shape.lossPercent = loss.percent }
        return shape
    }

    /// Whether nothing is limited, delayed or lost.
    package var isPlain: Bool { self == LinkShape() }

    package var needsEmulator: Bool { latencyMicroseconds > 0 || lossPercent > 0 }

    package func without(_ features: Set<ClusterFeature>) -> LinkShape {
        LinkShape(
            bitsPerSecond: features.contains(.bandwidth) ? nil : bitsPerSecond,
            latencyMicroseconds: features.contains(.latency) ? 0 : latencyMicroseconds,
            lossPercent: features.contains(.loss) ? 0 : lossPercent)
    }

    /// As in "1gbit, 5ms, 0.1% lost".
    package var words: String {
        var parts = [Bandwidth(bitsPerSecond: bitsPerSecond).description]
        if latencyMicroseconds > 0 { parts.append(Latency(microseconds: latencyMicroseconds).description) }
        if lossPercent > 0 { parts.append("\(Loss(percent: lossPercent)) lost") }
        return parts.joined(separator: ", ")
    }

    /// The `tc` commands that give one end of a link, a device in a namespace, this shape for what it sends.
    package func commands(device: String, namespace: String) -> [[String]] {
        let tc = ["tc", "-n", namespace, "qdisc"]
        var commands: [[String]] = []
        var place = ["root"]
        if needsEmulator {
            var emulator = ["netem", "limit", String(Self.packetsUnderWay)]
            if latencyMicroseconds > 0 { emulator += ["delay", "\(latencyMicroseconds)us"] }
            if lossPercent > 0 { emulator += ["loss", "\(lossPercent)%"] }
            commands.append(tc + ["add", "dev", device] + place + ["handle", "1:"] + emulator)
            place = ["parent", "1:1"]
        }
        if let bitsPerSecond {
            // A bucket that is filled a thousand times a second, and never smaller than a segment that the kernel hands
            // over in one piece; the queue behind it holds 50 ms.
            let burst = max(bitsPerSecond / 8 / 1000, 128 << 10)
            commands.append(
                tc + ["add", "dev", device] + place
                    + ["handle", "10:", "tbf", "rate", "\(bitsPerSecond)bit", "burst", "\(burst)b", "latency", "50ms"])
        }
        return commands
    }

    /// More than the fastest and longest of sensible links holds; the default of 1,000 would lose packets.
    private static let packetsUnderWay = 100_000
}
