import Numerics

extension ExitStatus {
    /// What the process exits with when `error` ends it.
    public init(_ error: any Error) {
        switch error {
        case is JobError: self = .badInput
        case let error as ApusError:
            self =
                switch error.kind {
                case .badInput: .badInput
                case .runtime: .failure
                case .diverged: .diverged
                }
        default: self = .failure
        }
    }
}
