import Foundation
import Synchronization

/// Remembers that the process was asked to stop, by SIGTERM, SIGINT or SIGUSR1, or by its coordinator.
///
/// The training loop looks at the flag once a step and lets all ranks agree on it, so a signal to any one rank stops
/// the run on all of them after the same step.
public enum StopRequest {
    private static let flag = Atomic<Bool>(false)

    /// Asks as a signal would.
    public static func request() { flag.store(true, ordering: .relaxed) }

    static func listen() {
        for signal in [SIGTERM, SIGINT, SIGUSR1] {
            Foundation.signal(signal) { _ in StopRequest.request() }
        }
    }

    static var isPending: Bool { flag.load(ordering: .relaxed) }
}
