import JobConfiguration
import Models
import Numerics
import Observability
import Parallelism

/// What the stages of a job's pipeline will do in a step, when, and how long they will have nothing to do.
public struct SchedulePlan: Sendable {
    public let schedule: PipelineSchedule
    /// With stages of the cost that they have.
    public let timeline: PipelineTimeline
    /// With stages that all cost the same.
    public let evenBubbleFraction: Double
    public let expectedEvenBubbleFraction: Double
    private let name: String

    /// - Parameter job: Resolved for its number of ranks.
    /// - Throws: `ApusError` for a job without stages.
    public init(_ job: JobConfiguration) throws {
        let shape = job.pipelineShape
        guard shape.stages > 1 else {
            throw ApusError(
                "drawing the schedule of job '\(job.name)'",
                "parallelism.pipeline is 1: there is one stage, and nothing "
                    + "to schedule", remedy: "set it with --set parallelism.pipeline=2")
        }
        name = job.name
        schedule = PipelineSchedule(job.pipeline.schedule, shape)
        try schedule.check()
        let partition = ModelPartition(
            Decoder(job.model), parts: shape.parts, sequenceLength: job.training.sequenceLength)
        timeline = PipelineTimeline(of: schedule, costs: partition.stageCosts(shape))
        evenBubbleFraction = PipelineTimeline(of: schedule, costs: PipelineCosts()).bubbleFraction
        expectedEvenBubbleFraction = schedule.expectedBubbleFraction(PipelineCosts())
    }

    /// The facts in lines.
    public var text: String {
        let shape = schedule.shape
        func percent(_ value: Double) -> String { Quantity.fixed(value * 100, 1) + "%" }
        let peaks = (0..<shape.stages).map { "\(schedule.peakInFlight(stage: $0))" }.joined(separator: ", ")
        return """
            schedule: \(schedule.kind.rawValue), \(shape.stages) stages\
            \(shape.virtualStages > 1 ? " of \(shape.virtualStages) parts" : ""), \(shape.microBatches) micro-batches, \
            free of deadlock
            bubble: \(percent(timeline.bubbleFraction)) with these stages; \(percent(evenBubbleFraction)) if all cost the \
            same, by formula \(percent(expectedEvenBubbleFraction))
            micro-batches kept at once, stage by stage: \(peaks)

            """
    }

    /// A lane for each stage.
    public var chart: LaneChart {
        let shape = schedule.shape
        let kinds =
            [
                LaneChart.Kind(name: "forward", color: "#1f5fa8"),
                LaneChart.Kind(
                    name: schedule.kind.splitsBackward ? "backward, gradients of activations" : "backward",
                    color: "#c8501e"),
            ] + (schedule.kind.splitsBackward ? [LaneChart.Kind(name: "gradients of weights", color: "#3c8c54")] : [])
        let lanes = (0..<shape.stages).map { stage in
            LaneChart.Lane(
                label: "stage \(stage)",
                boxes: timeline.events.filter { $0.stage == stage }.map { event in
                    let virtual = shape.virtualStages > 1 ? ".\(event.action.part / shape.stages)" : ""
                    return LaneChart.Box(
                        start: event.start, end: event.end, kind: Self.kind(of: event.action.kind),
                        text: "\(event.action.microBatch)\(virtual)", explanation: event.action.description)
                })
        }
        return LaneChart(
            title: "\(name): \(schedule.kind.rawValue)",
            note: "\(shape.stages) stages, \(shape.microBatches) micro-batches"
                + (shape.virtualStages > 1 ? ", \(shape.virtualStages) parts of the model on each stage" : "")
                + "; idle \(Quantity.fixed(timeline.bubbleFraction * 100, 1))% of the time",
            kinds: kinds, lanes: lanes)
    }

    private static func kind(of kind: PipelineAction.Kind) -> Int {
        switch kind {
        case .forward: 0
        case .backwardWeight: 2
        default: 1
        }
    }
}
