import Collectives
import Foundation
import Numerics
import Synchronization

/// A worker's line to its coordinator: a thread that tells five times a second where the worker is, and does what it is asked.
///
/// When the line breaks, the coordinator is gone: the worker is asked to save and to leave, as by a signal.
public final class HeartbeatSender: Sendable {
    /// What the coordinator wants, or what its end means.
    public enum Request: Sendable {
        case saveAndStop
    }

    private let socket: Mutex<LineSocket>
    private let identity: WorkerIdentity
    private let onRequest: @Sendable (Request) -> Void
    private let isEnding = Atomic<Bool>(false)

    private static let interval: Int32 = 200
    private static let patience = Duration.seconds(10)

    /// Connects to the coordinator that the environment names; nil where it names none.
    ///
    /// - Throws: `ApusError` where it cannot be reached or does not prove the job's secret.
    public static func start(
        rank: Int, environment: [String: String] = ProcessInfo.processInfo.environment,
        onRequest: @escaping @Sendable (Request) -> Void
    ) throws -> HeartbeatSender? {
        guard let text = environment[ControlAddress.variable] else { return nil }
        let operation = "joining the coordinator at \(text)"
        guard let address = ControlAddress(text),
            let secret = environment[ControlSecret.variable].flatMap(ControlSecret.init(text:))
        else {
            throw ApusError(
                operation, "\(ControlAddress.variable) or \(ControlSecret.variable) is damaged",
                remedy: "start the workers with apus launch, or unset both")
        }
        let identity = WorkerIdentity(
            rank: rank, host: ProcessInfo.processInfo.hostName, processIdentifier: getpid())
        let socket = try connect(to: address, operation: operation)
        try introduce(identity, by: socket, secret: secret, operation: operation)
        let sender = HeartbeatSender(socket, identity: identity, onRequest: onRequest)
        let thread = Thread { sender.work() }
        thread.name = "heartbeats"
        thread.start()
        return sender
    }

    private init(
        _ socket: sending LineSocket, identity: WorkerIdentity, onRequest: @escaping @Sendable (Request) -> Void
    ) {
        self.socket = Mutex(socket)
        self.identity = identity
        self.onRequest = onRequest
    }

    /// Tells the coordinator that this worker is about to leave in order.
    public func leave(status: Int32) {
        isEnding.store(true, ordering: .relaxed)
        socket.withLock {
            $0.send(.goodbye(status: status))
            $0.close()
        }
    }

    private static func connect(to address: ControlAddress, operation: String) throws -> sending LineSocket {
        let descriptor = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else {
            throw ApusError(operation, String(cString: strerror(errno)), kind: .runtime)
        }
        let status = address.withSocketAddress { Foundation.connect(descriptor, $0, $1) }
        guard status == 0 else {
            let problem = String(cString: strerror(errno))
            Foundation.close(descriptor)
            throw ApusError(
                operation, problem,
                remedy: "the coordinator's host must be reachable from here; launch.controlAddress chooses its address",
                kind: .runtime)
        }
        return LineSocket(descriptor: descriptor)
    }

    private static func introduce(
        _ identity: WorkerIdentity, by socket: LineSocket, secret: ControlSecret, operation: String
    ) throws {
        let nonce = ControlSecret.nonce()
        socket.send(.hello(identity, nonce: nonce))
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            LineSocket.wait(for: [socket.descriptor], milliseconds: 100)
            guard case .lines(let lines) = socket.receive() else { break }
            guard let line = lines.first else { continue }
            guard case .proof(let proof, let theirs?) = try? ControlMessage(line: line),
                secret.isProof(proof, of: nonce, by: .coordinator)
            else { break }
            socket.send(.proof(secret.proof(of: theirs, by: .worker), nonce: nil))
            return
        }
        throw ApusError(
            operation, "what answers there does not know this job's secret",
            remedy: "another program listens at that address; start the job again", kind: .runtime)
    }

    private func work() {
        while !isEnding.load(ordering: .relaxed) {
            let descriptor = socket.withLock { $0.descriptor }
            guard descriptor >= 0 else { return }
            LineSocket.wait(for: [descriptor], milliseconds: Self.interval)
            let heartbeat = ControlMessage.heartbeat(Self.heartbeat())
            let received: [ControlMessage]? = socket.withLock { socket in
                guard socket.descriptor >= 0 else { return [] }
                guard case .lines(let lines) = socket.receive(), socket.send(heartbeat) else { return nil }
                return lines.compactMap { try? ControlMessage(line: $0) }
            }
            guard let received else {
                if !isEnding.load(ordering: .relaxed) { onRequest(.saveAndStop) }
                return
            }
            for message in received {
                switch message {
                case .stop: onRequest(.saveAndStop)
                // Nothing of this process can be trusted to end in order: it may hang in a collective.
                case .abandon: _exit(1)
                case .hello, .proof, .heartbeat, .goodbye: break
                }
            }
        }
    }

    private static func heartbeat() -> Heartbeat {
        let collective = LabelledCall.latest.map {
            Heartbeat.Collective(
                kind: $0.kind.description, label: $0.label, sequence: $0.sequence, isRunning: $0.isRunning)
        }
        return Heartbeat(
            phase: WorkerStatus.phase, step: WorkerStatus.step, collective: collective,
            residentMiB: ProcessMemory.currentMiB)
    }
}
