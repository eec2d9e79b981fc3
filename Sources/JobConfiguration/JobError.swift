/// One thing that is wrong with a job: where, what was found, what is allowed, and what to do.
public struct JobProblem: Hashable, Sendable, CustomStringConvertible {
    /// `file:line:column`, the override that is to blame, or just the file's name where there is no line to show.
    public let location: String
    public let message: String
    public let remedy: String?

    public var description: String {
        "\(location): \(message)" + (remedy.map { "\n  → \($0)" } ?? "")
    }
}

/// Everything that is wrong with a job document, found in one go.
public struct JobError: Error, Hashable, Sendable, CustomStringConvertible {
    public let problems: [JobProblem]

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
