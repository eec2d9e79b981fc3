/// One connection to the coordinator: a stranger's until it has proved the job's secret, then a worker's.
final class WorkerConnection {
    enum News {
        case joined(WorkerIdentity)
        case heartbeat(Heartbeat, rank: Int)
        case leaves(rank: Int, status: Int32)
    }

    let socket: LineSocket
    /// Set once the worker has proved itself.
    private(set) var rank: Int?
    private let nonce = ControlSecret.nonce()
    private var claimed: WorkerIdentity?
    private let opened = ContinuousClock.now

    /// How long a stranger may take.
    private static let patience = Duration.seconds(10)

    init(_ socket: LineSocket) { self.socket = socket }

    /// What the worker has told since the last call, and whether the connection still stands.
    func receive(_ secret: ControlSecret) -> (news: [News], isOpen: Bool) {
        guard case .lines(let lines) = socket.receive() else { return ([], false) }
        var news: [News] = []
        for line in lines {
            guard let message = try? ControlMessage(line: line), let step = take(message, secret) else {
                return (news, false)
            }
            news += step
        }
        return (news, rank != nil || .now - opened < Self.patience)
    }

    /// Nil where a stranger says what only a worker may.
    private func take(_ message: ControlMessage, _ secret: ControlSecret) -> [News]? {
        switch message {
        case .hello(let identity, let theirNonce) where claimed == nil:
            claimed = identity
            socket.send(.proof(secret.proof(of: theirNonce, by: .coordinator), nonce: nonce))
            return []
        case .proof(let proof, _) where rank == nil:
            guard let claimed, secret.isProof(proof, of: nonce, by: .worker) else { return nil }
            rank = claimed.rank
            return [.joined(claimed)]
        case .heartbeat(let heartbeat):
            return rank.map { [.heartbeat(heartbeat, rank: $0)] }
        case .goodbye(let status):
            return rank.map { [.leaves(rank: $0, status: status)] }
        case .hello, .proof, .stop, .abandon: return nil
        }
    }
}
