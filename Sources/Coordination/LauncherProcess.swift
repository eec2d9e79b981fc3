import Foundation
import JobConfiguration
import Supervision

/// The launcher that is running now, if any: signals that come between two starts go nowhere.
///
/// Ends a job whose workers have failed. `mpirun` usually does so by itself, but not always: Debian's (4.1.4) now and then
/// waits for itself when its ranks are gone, and nobody ends ranks that hang but do not die.
actor LauncherProcess {
    private var identifier: Int32?
    private var receiver: HeartbeatReceiver?
    private(set) var failure: RankMonitor.Failure?

    /// For the launcher to notice by itself that a rank died, and to say how.
    private static let grace = Duration.milliseconds(1500)
    private static let patience = Duration.seconds(3)

    func started(_ identifier: Int32, supervisedBy receiver: HeartbeatReceiver) {
        self.identifier = identifier
        self.receiver = receiver
        failure = nil
    }

    /// The launcher has ended: sees to it that no worker of this host is left.
    func ended(inOrder: Bool) {
        identifier = nil
        if !inOrder { endWorkers() }
        receiver?.stop()
        receiver = nil
    }

    func send(_ signal: Int32) {
        if let identifier { kill(identifier, signal) }
    }

    /// Ends everything after a failure that the heartbeats showed.
    func end(after failure: RankMonitor.Failure) async {
        guard let launcher = identifier, self.failure == nil else { return }
        self.failure = failure
        if failure.cause == .died { try? await Task.sleep(for: Self.grace) }
        guard identifier == launcher else { return }
        endWorkers()
        try? await Task.sleep(for: Self.patience)
        await endLauncher(launcher)
    }

    /// Ends a launcher that has outlived its workers, or that does not obey.
    func endLauncher(_ launcher: Int32? = nil) async {
        guard let launcher = launcher ?? identifier, identifier == launcher else { return }
        kill(launcher, SIGTERM)
        try? await Task.sleep(for: Self.patience)
        if identifier == launcher { kill(launcher, SIGKILL) }
    }

    /// Workers of other hosts end because they are told to, or because their host's part of the launcher ends them.
    private func endWorkers() {
        guard let receiver else { return }
        receiver.abandonWorkers()
        let here = ProcessInfo.processInfo.hostName
        for worker in receiver.identities where worker.host == here { kill(worker.processIdentifier, SIGKILL) }
    }
}
