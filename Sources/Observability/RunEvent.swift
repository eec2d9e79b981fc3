/// Something that happened in a run, as rank 0 of the workers tells it: one line of `metrics.jsonl`, and one line from
/// the workers to the coordinator.
///
/// As JSON an event is one flat object whose `kind` names the case: `{"kind":"step","step":10,"loss":3.2,…}`.
/// A kind that this version does not know fails to decode, and readers skip it.
public enum RunEvent: Hashable, Sendable {
    /// The workers are ready; the first step follows. From here on a stop request is understood.
    case started(RunFacts)
    case step(StepMetrics)
    case evaluation(EvaluationMetrics)
    /// A checkpoint is complete on disk.
    case checkpoint(CheckpointRecord)
    /// A step's numbers were wrong.
    case guarded(GuardRecord)
    case message(RunMessage)
    /// The workers agreed to stop, and save before they leave.
    case stopping(StopNotice)
    case finished(RunSummary)

    /// The optimizer step that the event belongs to; nil for events that belong to none.
    public var step: Int? {
        switch self {
        case .started(let facts): facts.resumedStep
        case .step(let metrics): metrics.step
        case .evaluation(let metrics): metrics.step
        case .checkpoint(let record): record.step
        case .guarded(let record): record.step
        case .message: nil
        case .stopping(let notice): notice.step
        case .finished(let summary): summary.steps
        }
    }
}

/// What does not change during a run.
public struct RunFacts: Codable, Hashable, Sendable {
    public var name: String
    /// Weights and biases of the whole model.
    public var parameters: Int
    /// Axes of the mesh, for example `data 2 × tensor 2`.
    public var mesh: String
    public var ranks: Int
    public var threadsPerRank: Int
    public var tokensPerStep: Int
    public var totalSteps: Int
    /// Steps already done when the run went on from a checkpoint; 0 for a new run.
    public var resumedStep: Int

    public init(
        name: String, parameters: Int, mesh: String, ranks: Int, threadsPerRank: Int, tokensPerStep: Int,
        totalSteps: Int, resumedStep: Int = 0
    ) {
        self.name = name
        self.parameters = parameters
        self.mesh = mesh
        self.ranks = ranks
        self.threadsPerRank = threadsPerRank
        self.tokensPerStep = tokensPerStep
        self.totalSteps = totalSteps
        self.resumedStep = resumedStep
    }
}

/// Measurements of one optimizer step, or means over the steps since the last report.
public struct StepMetrics: Codable, Hashable, Sendable {
    /// Steps done, counting this one.
    public var step: Int
    public var totalSteps: Int
    /// Mean cross-entropy of the step's tokens, in nats.
    public var loss: Double
    public var learningRate: Double
    /// Global norm of the gradient before clipping.
    public var gradientNorm: Double
    /// Over all ranks.
    public var tokensPerSecond: Double
    /// Model FLOPs per second over all ranks, in 10⁹.
    public var modelGFLOPs: Double
    /// `modelGFLOPs` over the measured fused multiply-add peak of all cores in use, 0…1; 0 when it was not measured.
    public var peakShare: Double
    public var stepSeconds: Double
    /// Estimated time to the last step.
    public var secondsLeft: Double
    /// Training tokens since the first step of the run, over all ranks and restarts.
    public var tokensSeen: Int
    /// Largest resident memory of any rank so far.
    public var peakRSSMiB: Double

    public init(
        step: Int, totalSteps: Int, loss: Double, learningRate: Double, gradientNorm: Double, tokensPerSecond: Double,
        modelGFLOPs: Double, peakShare: Double, stepSeconds: Double, secondsLeft: Double, tokensSeen: Int,
        peakRSSMiB: Double
    ) {
        self.step = step
        self.totalSteps = totalSteps
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.tokensPerSecond = tokensPerSecond
        self.modelGFLOPs = modelGFLOPs
        self.peakShare = peakShare
        self.stepSeconds = stepSeconds
        self.secondsLeft = secondsLeft
        self.tokensSeen = tokensSeen
        self.peakRSSMiB = peakRSSMiB
    }
}

/// A pass over the validation samples.
public struct EvaluationMetrics: Codable, Hashable, Sendable {
    public var step: Int
    /// Mean cross-entropy a token, in nats.
    public var loss: Double
    /// e to the power of `loss`.
    public var perplexity: Double
    public var seconds: Double

    public init(step: Int, loss: Double, perplexity: Double, seconds: Double) {
        self.step = step
        self.loss = loss
        self.perplexity = perplexity
        self.seconds = seconds
    }
}

public struct CheckpointRecord: Codable, Hashable, Sendable {
    public var step: Int
    /// The checkpoint's folder.
    public var path: String
    /// From the decision to save until the checkpoint was committed.
    public var seconds: Double
    public var bytes: Int
    /// How long training stood still for it; nil in old logs.
    public var stallSeconds: Double?
    /// How long the slowest rank needed to write its file and have it on the device; nil in old logs.
    public var writingSeconds: Double?

    public init(
        step: Int, path: String, seconds: Double, bytes: Int, stallSeconds: Double? = nil,
        writingSeconds: Double? = nil
    ) {
        self.step = step
        self.path = path
        self.seconds = seconds
        self.bytes = bytes
        self.stallSeconds = stallSeconds
        self.writingSeconds = writingSeconds
    }
}

public struct RunMessage: Codable, Hashable, Sendable {
    public enum Level: String, Codable, Sendable {
        case note, warning, error
    }

    public var level: Level
    public var text: String

    public init(level: Level, text: String) {
        self.level = level
        self.text = text
    }
}

public struct StopNotice: Codable, Hashable, Sendable {
    /// Why, for example "signal SIGUSR1 at rank 0".
    public var reason: String
    /// The last step that was done.
    public var step: Int

    public init(reason: String, step: Int) {
        self.reason = reason
        self.step = step
    }
}

public struct RunSummary: Codable, Hashable, Sendable {
    /// Training loss of the first step of this start, nil when no step was left to do.
    public var firstLoss: Double?
    public var lastLoss: Double?
    /// Steps done in the whole run.
    public var steps: Int
    /// Time of this start.
    public var seconds: Double
    public var lossCurvePath: String?
    /// The newest checkpoint's folder.
    public var checkpointPath: String?

    public init(
        firstLoss: Double?, lastLoss: Double?, steps: Int, seconds: Double, lossCurvePath: String?,
        checkpointPath: String?
    ) {
        self.firstLoss = firstLoss
        self.lastLoss = lastLoss
        self.steps = steps
        self.seconds = seconds
        self.lossCurvePath = lossCurvePath
        self.checkpointPath = checkpointPath
    }
}
