import Foundation

/// The cores that this process may run on.
public enum OnlineCores {
    /// How many: what the affinity mask allows (a batch system, `taskset` or `mpirun --bind-to` may have narrowed it),
    /// at least 1.
    public static var count: Int {
        if let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let allowed = count(inStatus: status)
        {
            return allowed
        }
        return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }

    /// Bits in the line `Cpus_allowed:` (hexadecimal words, separated by commas) of a `/proc/…/status`.
    package static func count(inStatus status: String) -> Int? {
        let label = "Cpus_allowed:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(label) }) else { return nil }
        let count = line.dropFirst(label.count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
        return count > 0 ? count : nil
    }
}
