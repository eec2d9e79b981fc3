import Foundation

/// Numbers as people read them, short and with their unit.
public enum Quantity {
    /// Four significant digits or so, with k, M, G or T: 950, 25.7k, 1.24M.
    public static func count(_ value: Double) -> String {
        guard value.isFinite else { return "\(value)" }
        for (factor, suffix) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] where abs(value) >= 0.9995 * factor {
            return significant(value / factor) + suffix
        }
        return significant(value)
    }

    public static func count(_ value: Int) -> String { count(Double(value)) }

    /// 512 B, 1.5 KiB, 3.2 GiB.
    public static func bytes(_ value: Int) -> String {
        for (shift, suffix) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] where value >= 1 << shift {
            return significant(Double(value) / Double(1 << shift)) + " " + suffix
        }
        return "\(value) B"
    }

    /// The two largest units: 0.8s, 45s, 3m 05s, 2h 10m, 4d 03h.
    public static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e10 else { return "?" }
        if seconds < 9.95 { return fixed(seconds, 1) + "s" }
        let whole = Int(seconds.rounded())
        let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60)
        if days > 0 { return "\(days)d \(padded(hours))h" }
        if hours > 0 { return "\(hours)h \(padded(minutes))m" }
        if minutes > 0 { return "\(minutes)m \(padded(whole % 60))s" }
        return "\(whole)s"
    }

    /// A loss: four decimals, or exponent notation where those would say nothing.
    public static func loss(_ value: Double) -> String {
        guard value.isFinite else { return "\(value)" }
        return value == 0 || (1e-3..<1e5).contains(abs(value)) ? fixed(value, 4) : scientific(value)
    }

    /// 3.00e-04.
    public static func scientific(_ value: Double) -> String { String(format: "%.2e", value) }

    /// 0.702 → 70%.
    public static func percent(_ share: Double) -> String {
        share.isFinite ? "\(fixed(share * 100, 0))%" : "?"
    }

    public static func fixed(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

    private static func significant(_ value: Double) -> String {
        let size = abs(value)
        return fixed(value, value == value.rounded() && size < 1000 ? 0 : size < 10 ? 2 : size < 100 ? 1 : 0)
    }

    private static func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
