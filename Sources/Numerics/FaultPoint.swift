import Foundation
import Synchronization

/// Places at which a rehearsal of failures may end or freeze this process.
///
/// `APUS_FAULT` names a file; while it exists and reads `RANK PLACE COUNT kill|freeze`, the process of that rank that
/// reaches the place for the COUNTth time since then takes the file away and sends itself SIGKILL or SIGSTOP. Without the
/// variable a place costs one comparison.
public enum FaultPoint {
    public enum Place: String, CaseIterable, Sendable {
        /// Before MPI starts.
        case start
        /// Before a checkpoint is read.
        case load
        /// Before a step.
        case step
        case collective
        /// Before a checkpoint's bytes are written, flushed to the device, or given their name.
        case write, synchronize, rename
    }

    private static let file = ProcessInfo.processInfo.environment["APUS_FAULT"]
    private static let reached = Mutex<(plan: String, count: Int)>(("", 0))

    @inline(__always)
    public static func reach(_ place: Place) {
        if let file { look(into: file, at: place) }
    }

    @inline(never)
    private static func look(into file: String, at place: Place) {
        guard access(file, F_OK) == 0, let data = FileManager.default.contents(atPath: file) else { return }
        let plan = String(decoding: data, as: UTF8.self)
        let words = plan.split(whereSeparator: \.isWhitespace)
        guard words.count == 4, Int(words[0]) == LaunchedProcess.rank ?? 0, words[1] == place.rawValue,
            let wanted = Int(words[2])
        else { return }
        let count = reached.withLock { reached in
            reached = reached.plan == plan ? (plan, reached.count + 1) : (plan, 1)
            return reached.count
        }
        guard count == wanted, unlink(file) == 0 else { return }
        kill(getpid(), words[3] == "freeze" ? SIGSTOP : SIGKILL)
    }
}
