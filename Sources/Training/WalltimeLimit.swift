import Foundation

/// Tells in time when a run must save and leave so that it has done so before its limit.
///
/// The coordinator sets `APUS_DEADLINE`, in seconds since 1970, for all starts of a run; without one, the job's
/// `launch.walltimeSeconds` counts from the start of the process.
struct WalltimeLimit {
    private var deadline: Date?
    private var lastStepEnd = Date()
    private var longestStep: TimeInterval = 0

    /// For agreeing, writing metrics and ending the processes.
    private static let margin: TimeInterval = 2

    init(seconds: Int = 0, environment: [String: String] = ProcessInfo.processInfo.environment) {
        if let stated = environment["APUS_DEADLINE"].flatMap(TimeInterval.init) {
            deadline = Date(timeIntervalSince1970: stated)
        } else if seconds > 0 {
            deadline = Date().addingTimeInterval(TimeInterval(seconds))
        }
    }

    mutating func begin() { lastStepEnd = Date() }

    /// A step, with the evaluation and save before it, is over.
    mutating func stepEnded() {
        let now = Date()
        longestStep = max(longestStep, now.timeIntervalSince(lastStepEnd))
        lastStepEnd = now
    }

    /// Whether one more step after the next, and then a save, might end too late.
    func isNear(savingTakes seconds: TimeInterval) -> Bool {
        guard let deadline else { return false }
        return deadline.timeIntervalSinceNow < 2 * longestStep + 2 * seconds + Self.margin
    }
}
