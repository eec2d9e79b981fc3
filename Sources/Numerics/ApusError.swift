/// A failure that its reader can act on: what was being done, what is wrong, and what to do about it.
public struct ApusError: Error, CustomStringConvertible, Hashable, Sendable {
    /// What was being done, for example "reading tokens.idx".
    public let operation: String
    /// What was expected and what was found instead.
    public let problem: String
    /// What the reader can do.
    public let remedy: String?
    public let kind: Kind

    /// Decides the exit status.
    public enum Kind: Hashable, Sendable {
        /// A job, file or argument is wrong; trying again changes nothing.
        case badInput
        /// The machine let us down: a full disk, a lost rank, a failed system call.
        case runtime
        /// The numbers of a run are wrong; trying again changes nothing.
        case diverged
    }

    public init(_ operation: String, _ problem: String, remedy: String? = nil, kind: Kind = .badInput) {
        self.operation = operation
        self.problem = problem
        self.remedy = remedy
        self.kind = kind
    }

    public var description: String {
        "\(operation): \(problem)" + (remedy.map { "\n  → \($0)" } ?? "")
    }
}
