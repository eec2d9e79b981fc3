import Foundation
import Numerics

/// Keeps two of a kind from working on one run at a time; the system gives it back when its holder ends, however it does.
public final class RunLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Takes the lock `name` of a run's folder, which must exist.
    ///
    /// - Parameters:
    ///   - patience: How long to wait for another holder to end.
    ///   - onWait: Called once where one has to wait, with what the other holder wrote of itself.
    /// - Throws: `ApusError` naming the other holder.
    public static func take(
        _ name: String, inRun folder: String, patience: Duration, onWait: (String) -> Void = { _ in }
    ) throws -> RunLock {
        let path = "\(folder)/.\(name).lock"
        let operation = "taking \(path)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else {
            throw ApusError(
                operation, String(cString: strerror(errno)),
                remedy: "the run's folder (output in the job) must be a place where this user may write", kind: .runtime
            )
        }
        let lock = RunLock(descriptor: descriptor)
        let deadline = ContinuousClock.now + patience
        var hasWaited = false
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            // A file system without locks is no reason not to train.
            guard errno == EWOULDBLOCK || errno == EINTR else { return lock }
            guard ContinuousClock.now < deadline else {
                throw ApusError(
                    operation, "the run is at work already: \(holder(of: descriptor))",
                    remedy: "wait for it or end it, or choose another folder with --set output=FOLDER", kind: .runtime)
            }
            if !hasWaited { onWait(holder(of: descriptor)) }
            hasWaited = true
            usleep(100_000)
        }
        let words = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)\n"
        ftruncate(descriptor, 0)
        _ = words.withCString { pwrite(descriptor, $0, strlen($0), 0) }
        return lock
    }

    private static func holder(of descriptor: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 256)
        let count = pread(descriptor, &text, text.count, 0)
        let words = String(decoding: text.prefix(max(count, 0)), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        return words.isEmpty ? "an unknown process" : words
    }
}
