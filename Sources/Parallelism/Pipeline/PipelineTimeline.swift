/// Time that a stage takes for one micro-batch, in any unit; with several parts on a stage, for all of them together.
public struct PipelineCosts: Hashable, Sendable {
    public var forward: Double
    public var backwardInput: Double
    public var backwardWeight: Double

    /// A backward pass has two matrix products for each one of a forward pass.
    public init(forward: Double = 1, backwardInput: Double = 1, backwardWeight: Double = 1) {
        self.forward = forward
        self.backwardInput = backwardInput
        self.backwardWeight = backwardWeight
    }

    public var backward: Double { backwardInput + backwardWeight }

    func cost(of kind: PipelineAction.Kind) -> Double {
        switch kind {
        case .forward: forward
        case .backward: backward
        case .backwardInput: backwardInput
        case .backwardWeight: backwardWeight
        case .sendActivations, .receiveActivations, .sendGradients, .receiveGradients: 0
        }
    }
}

/// When each computation of a schedule takes place if messages take no time and every stage starts the next of its
/// computations as soon as its inputs are there.
public struct PipelineTimeline: Hashable, Sendable {
    public struct Event: Hashable, Sendable {
        public var action: PipelineAction
        public var stage: Int
        public var start: Double
        public var end: Double
    }

    /// In the order in which they were found to be possible.
    public let events: [Event]
    /// Computations that wait for something that never comes.
    public let stuck: [PipelineAction]
    public let stages: Int
    /// From the first start to the last end.
    public let duration: Double

    /// - Parameter costs: Those of every stage, or of each.
    public init(of schedule: PipelineSchedule, costs: PipelineCosts) {
        self.init(of: schedule, costs: Array(repeating: costs, count: schedule.shape.stages))
    }

    public init(of schedule: PipelineSchedule, costs: [PipelineCosts]) {
        let shape = schedule.shape
        let lists = schedule.actions.map { $0.filter { !$0.isMessage } }
        var positions = lists.map { _ in 0 }
        var times = lists.map { _ in 0.0 }
        var ends: [PipelineAction: Double] = [:]
        var events: [Event] = []
        var advanced = true
        while advanced {
            advanced = false
            for stage in lists.indices {
                while positions[stage] < lists[stage].count {
                    let action = lists[stage][positions[stage]]
                    let inputs = action.prerequisites(
                        parts: shape.parts, splitsBackward: schedule.kind.splitsBackward)
                    guard inputs.allSatisfy({ ends[$0] != nil }) else { break }
                    let start = inputs.reduce(times[stage]) { max($0, ends[$1]!) }
                    times[stage] = start + costs[stage].cost(of: action.kind) / Double(shape.virtualStages)
                    ends[action] = times[stage]
                    events.append(Event(action: action, stage: stage, start: start, end: times[stage]))
                    positions[stage] += 1
                    advanced = true
                }
            }
        }
        self.events = events
        stuck = zip(lists, positions).compactMap { $1 < $0.count ? $0[$1] : nil }
        stages = shape.stages
        duration = times.max() ?? 0
    }

    /// The part of the stages' time in which they have nothing to do.
    public var bubbleFraction: Double {
        let busy = events.reduce(0) { $0 + $1.end - $1.start }
        return duration > 0 ? 1 - busy / (duration * Double(stages)) : 0
    }
}

extension PipelineSchedule {
    /// The bubble fraction that the literature gives for stages of the same cost: idle time over all time. Gradients of
    /// weights must not take longer than those of activations, and there must be as many micro-batches as stages.
    public func expectedBubbleFraction(_ costs: PipelineCosts) -> Double {
        let (lead, count) = (Double(shape.stages - 1), Double(shape.microBatches))
        let work = count * (costs.forward + costs.backward)
        let idle =
            switch kind {
            case .gpipe, .oneForwardOneBackward, .interleaved:
                lead * (costs.forward + costs.backward) / Double(shape.virtualStages)
            case .zeroBubble: lead * (costs.forward + costs.backwardInput - costs.backwardWeight)
            }
        return idle / (work + idle)
    }
}
