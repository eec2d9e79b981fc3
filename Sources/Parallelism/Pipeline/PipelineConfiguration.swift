/// How micro-batches pass through the stages of a pipeline.
public struct PipelineConfiguration: Hashable, Sendable {
    public var schedule = PipelineSchedule.Kind.oneForwardOneBackward
    /// Parts of the model that each stage has: more than one with the interleaved schedule.
    public var virtualStages = 1

    public init(schedule: PipelineSchedule.Kind = .oneForwardOneBackward, virtualStages: Int = 1) {
        self.schedule = schedule
        self.virtualStages = virtualStages
    }
}

/// What a schedule is made for.
public struct PipelineShape: Hashable, Sendable {
    /// Ranks along the pipeline.
    public var stages: Int
    /// Consecutive parts of the model that each stage has.
    public var virtualStages: Int
    /// Micro-batches of a step.
    public var microBatches: Int

    public init(stages: Int, virtualStages: Int = 1, microBatches: Int) {
        self.stages = stages
        self.virtualStages = virtualStages
        self.microBatches = microBatches
    }

    /// Parts that the model is cut into: part p is with stage p mod `stages`, as its virtual stage p / `stages`.
    public var parts: Int { stages * virtualStages }

    public func stage(of part: Int) -> Int { part % stages }

    /// The parts of a stage, first to last.
    public func parts(of stage: Int) -> [Int] { (0..<virtualStages).map { $0 * stages + stage } }
}
