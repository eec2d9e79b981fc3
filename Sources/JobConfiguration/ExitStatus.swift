/// Exit codes of `apus`, the same for every subcommand and passed through by the coordinator.
public enum ExitStatus: Int32, Sendable {
    case success = 0
    /// Something failed while running.
    case failure = 1
    /// A job, file or argument is wrong (sysexits' EX_DATAERR).
    case badInput = 65
    /// The run decided to end, and would do so again: starting it once more is of no use (sysexits' EX_SOFTWARE).
    case givenUp = 70
    /// The run was asked to stop, saved its state and can be resumed (sysexits' EX_TEMPFAIL: try again later).
    case stopped = 75
}
