import Foundation

/// What a worker and its coordinator tell each other, one JSON object a line.
///
/// A connection begins with each side proving that it knows the job's secret: `hello` with the worker's nonce, `proof` of
/// the coordinator with its own, `proof` of the worker. Only then does either believe the other.
enum ControlMessage: Codable, Hashable {
    case hello(WorkerIdentity, nonce: String)
    /// The sender's answer to the other's nonce; of the coordinator with a nonce to answer.
    case proof(String, nonce: String?)
    case heartbeat(Heartbeat)
    /// The worker leaves in order; what it will exit with.
    case goodbye(status: Int32)
    /// The coordinator asks for a save at the next step's end, after which the workers leave.
    case stop
    /// The job is given up: the worker ends at once, wherever it is.
    case abandon

    var line: [UInt8] {
        get throws { Array(try JSONEncoder().encode(self)) + [UInt8(ascii: "\n")] }
    }

    init(line: some Collection<UInt8>) throws {
        self = try JSONDecoder().decode(ControlMessage.self, from: Data(line))
    }
}

/// Which process a worker is.
public struct WorkerIdentity: Codable, Hashable, Sendable {
    public var rank: Int
    public var host: String
    public var processIdentifier: Int32

    public init(rank: Int, host: String, processIdentifier: Int32) {
        self.rank = rank
        self.host = host
        self.processIdentifier = processIdentifier
    }
}

/// Where a worker is, as it tells five times a second.
public struct Heartbeat: Codable, Hashable, Sendable {
    public var phase: WorkerPhase
    /// Optimizer steps done.
    public var step: Int
    /// The collective that the worker is in, or was in last.
    public var collective: Collective?
    public var residentMiB: Double

    public struct Collective: Codable, Hashable, Sendable {
        /// As in `all-reduce`.
        public var kind: String
        public var label: String
        /// Number of the call since the process began; the ranks of a job count alike.
        public var sequence: Int
        /// Whether the worker waits in it.
        public var isRunning: Bool

        public init(kind: String, label: String, sequence: Int, isRunning: Bool) {
            self.kind = kind
            self.label = label
            self.sequence = sequence
            self.isRunning = isRunning
        }
    }

    public init(phase: WorkerPhase, step: Int, collective: Collective?, residentMiB: Double) {
        self.phase = phase
        self.step = step
        self.collective = collective
        self.residentMiB = residentMiB
    }

    /// Whether something has happened between an earlier heartbeat and this one.
    func hasAdvanced(since earlier: Heartbeat) -> Bool {
        phase != earlier.phase || step != earlier.step || collective != earlier.collective
    }
}
