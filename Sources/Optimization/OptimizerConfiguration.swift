/// AdamW (Loshchilov & Hutter 2019) with a learning-rate schedule and clipping by the global norm.
public struct OptimizerConfiguration: Hashable, Sendable {
    public var learningRate: Float = 3e-4
    public var beta1: Float = 0.9
    public var beta2: Float = 0.95
    public var epsilon: Float = 1e-8
    public var weightDecay: Float = 0.1
    /// The global gradient norm is scaled down to this; 0 turns clipping off.
    public var gradientClip: Float = 1
    /// How the moments are stored.
    public var momentPrecision: MomentPrecision = .float32
    public var schedule = ScheduleConfiguration()

    public init() {}
}

/// The precision in which AdamW's moments are stored; they are always computed in single precision.
public enum MomentPrecision: String, Hashable, Sendable, CaseIterable {
    case float32
    /// Half the memory: the first moment is rounded to the nearest, the second at random, which keeps its mean.
    case bfloat16
}

/// How the learning rate changes with the step.
public struct ScheduleConfiguration: Hashable, Sendable {
    public var kind: Kind = .cosine
    /// Steps over which the rate rises linearly from 0.
    public var warmupSteps: Int = 0
    /// Where decay ends, as a fraction of the peak rate.
    public var finalFraction: Float = 0.1
    /// Steps of decay at the end (warm-up–stable–decay only).
    public var decaySteps: Int = 0

    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case constant, linear, cosine
        case warmupStableDecay = "warmup-stable-decay"
    }

    public init() {}
}
