/// A failure that its reader can act on: what was being done, what is wrong, and what to do about it.
public struct ApusError: Error, CustomStringConvertible, Hashable, Sendable {
    /// What was being done, for example "reading tokens.idx".
    public let operation: String
    /// What was expected and what was found instead.
    public let problem: String
    /// What the reader can do.
    public let remedy: String?

    public init(_ operation: String, _ problem: String, remedy: String? = nil) {
        self.operation = operation
        self.problem = problem
        self.remedy = remedy
    }

    public var description: String {
        "\(operation): \(problem)" + (remedy.map { "\n  → \($0)" } ?? "")
    }
}
