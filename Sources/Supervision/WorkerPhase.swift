import Synchronization

/// What a worker is doing.
public enum WorkerPhase: Int, Codable, Hashable, Sendable, CaseIterable {
    case starting, loading, training, evaluating, saving, ending

    /// As in "rank 3 … while training".
    var words: String {
        switch self {
        case .starting: "while starting"
        case .loading: "while loading"
        case .training: "while training"
        case .evaluating: "while evaluating"
        case .saving: "while saving"
        case .ending: "while ending"
        }
    }
}

/// Where this process is in its job: set by the training loop, read by the thread that sends heartbeats.
public enum WorkerStatus {
    private static let phaseNumber = Atomic<Int>(WorkerPhase.starting.rawValue)
    private static let stepsDone = Atomic<Int>(0)

    public static var phase: WorkerPhase {
        WorkerPhase(rawValue: phaseNumber.load(ordering: .relaxed)) ?? .starting
    }
    public static var step: Int { stepsDone.load(ordering: .relaxed) }

    public static func enter(_ phase: WorkerPhase) { phaseNumber.store(phase.rawValue, ordering: .relaxed) }
    public static func reached(step: Int) { stepsDone.store(step, ordering: .relaxed) }

    /// Runs `body` in a phase and returns to the one before.
    public static func during<Result>(_ phase: WorkerPhase, _ body: () throws -> Result) rethrows -> Result {
        let before = self.phase
        enter(phase)
        defer { enter(before) }
        return try body()
    }
}
