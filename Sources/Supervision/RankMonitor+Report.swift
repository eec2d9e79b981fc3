extension RankMonitor {
    func failure(_ cause: Failure.Cause, _ culprits: [Int]) -> Failure {
        var lines = culprits.prefix(Self.longestList).map { "\(name($0)) \(words(cause)) \(place($0))" }
        if culprits.count > Self.longestList { lines.append("and \(culprits.count - Self.longestList) more ranks") }
        lines += waiting(besides: Set(culprits), alsoThese: culprits)
        return Failure(cause: cause, ranks: culprits, step: step, report: lines.joined(separator: "\n  "))
    }

    private static let longestList = 8

    private func name(_ rank: Int) -> String {
        guard let identity = entries[rank]?.identity else { return "rank \(rank)" }
        return "rank \(rank) on \(identity.host) (process \(identity.processIdentifier))"
    }

    private func words(_ cause: Failure.Cause) -> String {
        switch cause {
        case .died: "died"
        case .silent(let time): "has not been heard of for \(Self.seconds(time))"
        case .stalled(let time): "has made no progress for \(Self.seconds(time))"
        }
    }

    private static func seconds(_ time: Duration) -> String {
        let tenths = Int((time / .milliseconds(100)).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }

    private func place(_ rank: Int) -> String {
        guard let heartbeat = entries[rank]?.heartbeat else { return "before its first heartbeat" }
        var text = "\(heartbeat.phase.words), in step \(heartbeat.step + 1)"
        if let collective = heartbeat.collective {
            text += collective.isRunning ? ", in" : ", after"
            text += " \(collective.kind) '\(collective.label)'"
        }
        return text + ", with \(Int(heartbeat.residentMiB)) MiB resident"
    }

    /// Who waits in which collective, and who never came to it.
    private func waiting(besides culprits: Set<Int>, alsoThese missing: [Int]) -> [String] {
        let calls = entries.filter { !culprits.contains($0.key) && !$0.value.hasLeft }
            .compactMap { rank, entry in entry.heartbeat?.collective.map { (rank, $0) } }
            .filter { $0.1.isRunning }
        guard let furthest = calls.map(\.1).max(by: { $0.sequence < $1.sequence }) else { return [] }
        let those = calls.filter { $0.1.sequence == furthest.sequence }.map(\.0).sorted()
        return [
            "\(Self.list(those)) \(those.count == 1 ? "waits" : "wait") in \(furthest.kind) '\(furthest.label)', which "
                + "\(Self.list(missing)) never reached or never left"
        ]
    }

    private static func list(_ ranks: [Int]) -> String {
        let numbers = ranks.prefix(longestList).map(String.init).joined(separator: ", ")
        let more = ranks.count > longestList ? " and \(ranks.count - longestList) more" : ""
        return "\(ranks.count == 1 ? "rank" : "ranks") \(numbers)\(more)"
    }
}
