import Foundation

/// Everything that `apus doctor` found.
public struct Examination: Codable, Hashable, Sendable {
    public var findings: [Finding]

    public init(findings: [Finding]) { self.findings = findings }

    /// Looks at this host; takes a few seconds.
    ///
    /// - Parameter probe: A program and its arguments that call `MPIProbe.run` and print its result as JSON.
    public static func ofThisHost(probe: [String]) async -> Examination {
        Examination(
            findings: HostChecks.all(.current) + ArithmeticChecks.all() + (await MPIChecks.all(probe: probe)))
    }

    public var hasFailed: Bool { findings.contains { $0.status == .failed } }

    /// A line for each finding and one for the whole.
    public var text: String {
        let warnings = findings.count { $0.status == .warning }
        let failures = findings.count { $0.status == .failed }
        let verdict =
            failures > 0
            ? "\(failures) failed"
            : warnings > 0 ? "ready, with \(warnings == 1 ? "a warning" : "\(warnings) warnings")" : "ready"
        return (findings.map(\.description) + [verdict]).joined(separator: "\n")
    }

    public var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        let document = Document(ready: !hasFailed, findings: findings)
        // Findings are strings alone, which JSON always holds.
        return (try? encoder.encode(document)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private struct Document: Encodable {
        var ready: Bool
        var findings: [Finding]
    }
}
