/// A step whose numbers were wrong, what was done about it, and the samples to look at.
public struct GuardRecord: Codable, Hashable, Sendable {
    public enum Cause: String, Codable, Sendable {
        /// The loss or the gradient norm is infinite or no number.
        case nonFinite = "non-finite"
        /// The loss is far above those before it.
        case spike
    }

    public enum Action: String, Codable, Sendable {
        /// Recorded only; the weights were updated.
        case ignore
        case stop, skip, rollback
    }

    /// Where a sample of the step stands in the data.
    public struct Sample: Codable, Hashable, Sendable {
        /// Its number, as `apus data show JOB --sample` takes it.
        public var sample: UInt64
        /// The file with its tokens, and the first of them there.
        public var file: String
        public var token: Int
        /// The first and the last document that it has tokens of, numbered in the whole data set.
        public var firstDocument: Int
        public var lastDocument: Int

        public init(sample: UInt64, file: String, token: Int, firstDocument: Int, lastDocument: Int) {
            self.sample = sample
            self.file = file
            self.token = token
            self.firstDocument = firstDocument
            self.lastDocument = lastDocument
        }
    }

    /// The number that the step would have, from 1.
    public var step: Int
    public var cause: Cause
    public var action: Action
    public var loss: Double
    public var gradientNorm: Double
    /// Of a spike: standard deviations above the mean of the losses before it.
    public var zScore: Double?
    /// The step's samples are `firstSample` and the `sampleCount - 1` after it.
    public var firstSample: UInt64
    public var sampleCount: Int
    /// The first of them.
    public var samples: [Sample]
    /// After a rollback: the step of the checkpoint, after which training goes on.
    public var rollbackStep: Int?
    /// After a rollback: the first sample of the next step.
    public var nextSample: UInt64?

    public init(
        step: Int, cause: Cause, action: Action, loss: Double, gradientNorm: Double, zScore: Double?,
        firstSample: UInt64, sampleCount: Int, samples: [Sample], rollbackStep: Int? = nil, nextSample: UInt64? = nil
    ) {
        self.step = step
        self.cause = cause
        self.action = action
        self.loss = loss
        self.gradientNorm = gradientNorm
        self.zScore = zScore
        self.firstSample = firstSample
        self.sampleCount = sampleCount
        self.samples = samples
        self.rollbackStep = rollbackStep
        self.nextSample = nextSample
    }
}

extension GuardRecord {
    /// For people: what was wrong, what is done, and how to look at the samples.
    var text: String {
        let numbers = "loss \(Quantity.loss(loss)), gradient norm \(Quantity.loss(gradientNorm))"
        let what =
            switch cause {
            case .nonFinite: "not finite (\(numbers))"
            case .spike: "a spike (\(numbers); \(Quantity.loss(zScore ?? 0)) standard deviations above the mean)"
            }
        let done =
            switch action {
            case .ignore: "recorded only"
            case .stop: "stopping; the weights were not updated"
            case .skip: "the weights were not updated"
            case .rollback:
                "going back to the checkpoint of step \(rollbackStep ?? 0) and on with sample \(nextSample ?? 0)"
            }
        let last = firstSample.addingReportingOverflow(UInt64(max(sampleCount - 1, 0))).partialValue
        return "step \(step) is \(what): \(done); its samples are \(firstSample)..\(last)"
    }
}
