import Foundation
import Numerics
import Synchronization

/// The coordinator's side of the workers' lines: listens, watches over all that have come, and tells of the first failure.
public final class HeartbeatReceiver: Sendable {
    public let address: ControlAddress
    private let listener: Int32
    private let secret: ControlSecret
    private let state: Mutex<State>
    private let isEnding = Atomic<Bool>(false)

    private struct State {
        var monitor: RankMonitor
        var hasFailed = false
        /// What is to be told to all workers.
        var broadcast: ControlMessage?
        var leaving: Int32?
    }

    private static let tick: Int32 = 100
    /// A coordinator that looks around this late was asleep itself.
    private static let longestTick = Duration.seconds(2)

    /// Listens at an address of this host, at a port that the system chooses.
    ///
    /// - Throws: `ApusError` naming the address.
    public init(host: String, secret: ControlSecret, limit: StallLimit) throws {
        let operation = "listening for workers at \(host)"
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw ApusError(operation, String(cString: strerror(errno)), kind: .runtime) }
        let status = ControlAddress(host: host, port: 0).withSocketAddress { bind(descriptor, $0, $1) }
        guard status == 0, listen(descriptor, 1024) == 0, let address = ControlAddress.localAddress(of: descriptor)
        else {
            let problem = status == nil ? "it is no IPv4 address" : String(cString: strerror(errno))
            close(descriptor)
            throw ApusError(
                operation, problem, remedy: "set launch.controlAddress to an address of this host", kind: .runtime)
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.address = address
        self.secret = secret
        listener = descriptor
        state = Mutex(State(monitor: RankMonitor(limit: limit)))
    }

    /// Begins to watch.
    ///
    /// - Parameters:
    ///   - onJoin: Called with everybody who has joined, each time somebody does.
    ///   - onFailure: Called once, with the first failure.
    ///   - onAllLeft: Called once, when everybody who had joined has left in order.
    public func start(
        onJoin: @escaping @Sendable ([WorkerIdentity]) -> Void,
        onFailure: @escaping @Sendable (RankMonitor.Failure) -> Void,
        onAllLeft: @escaping @Sendable () -> Void
    ) {
        let thread = Thread { self.work(onJoin: onJoin, onFailure: onFailure, onAllLeft: onAllLeft) }
        thread.name = "heartbeats"
        thread.start()
    }

    /// Everybody who has joined.
    public var identities: [WorkerIdentity] { state.withLock { $0.monitor.identities } }
    /// The lowest step that a worker has told of.
    public var step: Int { state.withLock { $0.monitor.step } }
    /// With what the first worker that left in order said it would exit.
    public var firstGoodbye: Int32? { state.withLock { $0.leaving } }

    /// Whether workers had joined and none of them is left.
    public var hasEveryoneLeft: Bool { state.withLock { $0.monitor.hasEveryoneLeft } }

    /// Makes every worker that can still be reached end at once.
    public func abandonWorkers() { state.withLock { $0.broadcast = .abandon } }

    /// Ends the watch; closing the lines makes workers that are still there save and leave.
    public func stop() { isEnding.store(true, ordering: .relaxed) }

    private func work(
        onJoin: @Sendable ([WorkerIdentity]) -> Void, onFailure: @Sendable (RankMonitor.Failure) -> Void,
        onAllLeft: @Sendable () -> Void
    ) {
        var haveAllLeft = false
        var connections: [WorkerConnection] = []
        var lastLook = ContinuousClock.now
        defer { close(listener) }
        while !isEnding.load(ordering: .relaxed) {
            LineSocket.wait(for: [listener] + connections.map(\.socket.descriptor), milliseconds: Self.tick)
            let now = ContinuousClock.now
            if now - lastLook > Self.longestTick { state.withLock { $0.monitor.forgive(now - lastLook) } }
            lastLook = now
            acceptAll(into: &connections)
            var failures: [RankMonitor.Failure] = []
            let before = identities.count
            connections.removeAll { !read($0, at: now, &failures) }
            if identities.count > before { onJoin(identities) }
            let (message, failure) = state.withLock { state in
                defer { state.broadcast = nil }
                let failure = state.hasFailed ? nil : failures.first ?? state.monitor.examine(at: now)
                if failure != nil { state.hasFailed = true }
                return (state.broadcast, failure)
            }
            if let message {
                for connection in connections where connection.rank != nil { connection.socket.send(message) }
            }
            if let failure { onFailure(failure) }
            if !haveAllLeft, hasEveryoneLeft {
                haveAllLeft = true
                onAllLeft()
            }
        }
    }

    private func acceptAll(into connections: inout [WorkerConnection]) {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            connections.append(WorkerConnection(LineSocket(descriptor: descriptor)))
        }
    }

    /// Takes what a connection has sent; false when it is over.
    private func read(
        _ connection: WorkerConnection, at now: RankMonitor.Time, _ failures: inout [RankMonitor.Failure]
    ) -> Bool {
        let (messages, isOpen) = connection.receive(secret)
        state.withLock { state in
            for message in messages {
                switch message {
                case .joined(let identity): state.monitor.joined(identity, at: now)
                case .heartbeat(let heartbeat, let rank): state.monitor.heard(heartbeat, from: rank, at: now)
                case .leaves(let rank, let status):
                    state.monitor.left(rank)
                    state.leaving = state.leaving ?? status
                }
            }
            if !isOpen, let rank = connection.rank, let failure = state.monitor.lost(rank) { failures.append(failure) }
        }
        return isOpen
    }
}
