/// What one check found, and what to do about it.
public struct Finding: Codable, Hashable, Sendable {
    public enum Status: String, Codable, Sendable {
        case ok
        /// It works, but slower or less than it could.
        case warning
        /// Training would fail or compute wrong results.
        case failed
    }

    /// What was looked at, for example `MPI round trip`.
    public var subject: String
    public var status: Status
    /// What was found.
    public var detail: String
    /// What to do; nil where all is well.
    public var cure: String?

    public init(_ subject: String, _ status: Status, _ detail: String, cure: String? = nil) {
        self.subject = subject
        self.status = status
        self.detail = detail
        self.cure = cure
    }
}

extension Finding: CustomStringConvertible {
    /// One line, and a second one for the cure.
    public var description: String {
        let label = status.rawValue.padding(to: 8)
        return "\(label) \(subject.padding(to: 20)) \(detail)"
            + (cure.map { "\n" + String(repeating: " ", count: 30) + "→ " + $0 } ?? "")
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(width - count, 0))
    }
}
