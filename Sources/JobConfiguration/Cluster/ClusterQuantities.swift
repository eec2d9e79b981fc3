/// A value that is written with its unit, as in `100mbit`.
public protocol WrittenQuantity: Hashable, Sendable, CustomStringConvertible {
    /// Nil where the text is none, or none that makes sense.
    init?(_ text: String)
    /// What a text must be, for messages.
    static var expectation: String { get }
}

/// Bits per second, in units of a thousand, as `tc` counts.
public struct Bandwidth: WrittenQuantity {
    /// Nil for as many as the machine can.
    public var bitsPerSecond: Int?

    public static let unlimited = Bandwidth(bitsPerSecond: nil)
    public static let expectation = "a rate from 8kbit to 1tbit such as 100mbit or 2.5gbit, or 'unlimited'"

    public init(bitsPerSecond: Int?) { self.bitsPerSecond = bitsPerSecond }

    public init?(_ text: String) {
        if text == "unlimited" {
            self = .unlimited
            return
        }
        guard let bits = scaled(text, by: ["bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12]),
            8e3...1e12 ~= bits
        else { return nil }
        self.init(bitsPerSecond: Int(bits.rounded()))
    }

    public var description: String {
        guard let bitsPerSecond else { return "unlimited" }
        return written(
            bitsPerSecond,
            [
                ("tbit", 1_000_000_000_000), ("gbit", 1_000_000_000), ("mbit", 1_000_000),
                ("kbit", 1000), ("bit", 1),
            ])
    }
}

/// Whole microseconds.
public struct Latency: WrittenQuantity {
    public var microseconds: Int

    public static let expectation = "a time from 0ms to 10s such as 500us, 2.5ms or 1s"

    public init(microseconds: Int) { self.microseconds = microseconds }

    public init?(_ text: String) {
        guard let time = scaled(text, by: ["us": 1, "ms": 1e3, "s": 1e6]), 0...1e7 ~= time else { return nil }
        self.init(microseconds: Int(time.rounded()))
    }

    public var description: String {
        written(microseconds, [("s", 1_000_000), ("ms", 1000), ("us", 1)], zero: "0ms")
    }
}

/// The share of packets that is lost.
public struct Loss: WrittenQuantity {
    public var percent: Double

    public static let expectation = "a share of packets from 0% up to, but below, 100%, such as 0.1%"

    public init(percent: Double) { self.percent = percent }

    public init?(_ text: String) {
        // Four decimals are enough for any link, and are written without an exponent.
        guard let percent = scaled(text, by: ["%": 1]), 0..<99.99995 ~= percent else { return nil }
        self.init(percent: (percent * 1e4).rounded() / 1e4)
    }

    public var description: String {
        percent == percent.rounded() ? "\(Int(percent))%" : "\(percent)%"
    }
}

/// Bytes of memory.
public struct MemoryLimit: WrittenQuantity {
    /// Nil for what the machine has.
    public var bytes: Int?

    public static let unlimited = MemoryLimit(bytes: nil)
    public static let expectation = "an amount from 16MiB to 64TiB such as 512MiB or 2GiB, or 'unlimited'"

    public init(bytes: Int?) { self.bytes = bytes }

    public init?(_ text: String) {
        if text == "unlimited" {
            self = .unlimited
            return
        }
        let units: [String: Double] = [
            "MiB": 1_048_576, "GiB": 1_073_741_824, "TiB": 1_099_511_627_776, "MB": 1e6, "GB": 1e9, "TB": 1e12,
        ]
        // Less holds no process, and the upper bound keeps the number of bytes exact.
        guard let bytes = scaled(text, by: units), 16_777_216...70_368_744_177_664 ~= bytes else { return nil }
        self.init(bytes: Int(bytes.rounded()))
    }

    public var description: String {
        guard let bytes else { return "unlimited" }
        return written(bytes, [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("MB", 1_000_000), ("B", 1)])
    }
}

/// A decimal number and one of the units, without anything between or around them.
private func scaled(_ text: String, by units: [String: Double]) -> Double? {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard digits.count <= 20, let unit = units[String(text.dropFirst(digits.count))], let number = Double(digits) else {
        return nil
    }
    return number * unit
}

/// The number in the largest unit in which it is whole.
private func written(_ number: Int, _ units: [(name: String, size: Int)], zero: String? = nil) -> String {
    if number == 0, let zero { return zero }
    let unit = units.first { number % $0.size == 0 } ?? units[units.count - 1]
    return "\(number / unit.size)\(unit.name)"
}
