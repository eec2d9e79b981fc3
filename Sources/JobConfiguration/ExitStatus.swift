/// Exit codes of `apus`, the same for every subcommand and passed through by the coordinator.
public enum ExitStatus: Int32, Sendable {
    case success = 0
    /// Something failed while running.
    case failure = 1
    /// A job, file or argument is wrong (sysexits' EX_DATAERR).
    case badInput = 65
    /// The guards stopped the run because of its numbers; the same command would come to the same (sysexits' EX_SOFTWARE).
    case diverged = 70
    /// The run was asked to stop, saved its state and can be resumed (sysexits' EX_TEMPFAIL: try again later).
    case stopped = 75
}
