@preconcurrency import Dispatch
import Foundation

/// Why a run is asked to stop.
public enum StopRequest: Hashable, Sendable {
    /// Ctrl-C at the terminal. A second one ends the workers without saving.
    case interrupt
    /// SIGTERM, SIGHUP or SIGUSR1: from a scheduler, a service manager, or a terminal that was closed.
    case terminate(signal: String)
}

/// Turns the signals that ask a process to end into a stream, instead of ending it.
public final class StopRequests: Sendable {
    public let stream: AsyncStream<StopRequest>
    private let sources: [any DispatchSourceSignal]

    public init() {
        let (stream, continuation) = AsyncStream.makeStream(of: StopRequest.self)
        self.stream = stream
        // A reader of our output that goes away must not end the run.
        signal(SIGPIPE, SIG_IGN)
        let requests: [(Int32, StopRequest)] = [
            (SIGINT, .interrupt), (SIGTERM, .terminate(signal: "SIGTERM")), (SIGHUP, .terminate(signal: "SIGHUP")),
            (SIGUSR1, .terminate(signal: "SIGUSR1")),
        ]
        sources = requests.map { signal, request in
            let source = DispatchSource.makeSignalSource(signal: signal, queue: .global())
            source.setEventHandler { continuation.yield(request) }
            source.resume()
            return source
        }
    }

    deinit { for source in sources { source.cancel() } }
}
