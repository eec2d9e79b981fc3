/// What every stage of a pipeline does in a step, in order.
///
/// A schedule is data: the trainer walks it, the planner draws it, tests check it, and all get it from here. Sends and
/// receives are in an order in which even blocking ones could not wait for each other in a circle; see `check()`.
public struct PipelineSchedule: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// All micro-batches forward, then all backward (Huang et al. 2019): keeps the activations of all of them.
        case gpipe = "gpipe"
        /// As soon as a micro-batch can run backward it does (Narayanan et al. 2019, PipeDream-Flush): keeps as many
        /// as there are stages.
        case oneForwardOneBackward = "1f1b"
        /// The same with several parts of the model on each stage (Narayanan et al. 2021): less idle time, more
        /// messages.
        case interleaved = "interleaved"
        /// The same with gradients of weights put off to when a stage would be idle (Qi et al. 2023, ZB-H1).
        case zeroBubble = "zero-bubble"

        /// Whether gradients of weights are actions of their own.
        public var splitsBackward: Bool { self == .zeroBubble }
    }

    public let kind: Kind
    public let shape: PipelineShape
    /// The actions of every stage.
    public let actions: [[PipelineAction]]

    /// - Parameter kind: Of a pipeline of one stage all are the same: each micro-batch forward, then backward.
    public init(_ kind: Kind, _ shape: PipelineShape) {
        let kind = shape.stages == 1 ? .oneForwardOneBackward : kind
        self.init(kind, shape, computations: (0..<shape.stages).map { Self.computations(kind, shape, stage: $0) })
    }

    /// A schedule with these actions, for those who want to check their own.
    public init(_ kind: Kind, _ shape: PipelineShape, actions: [[PipelineAction]]) {
        self.kind = kind
        self.shape = shape
        self.actions = actions
    }

    /// Adds the messages. Computations are put in one order, that of a run in which a backward pass takes twice as long
    /// as a forward pass, and each message right behind the computation that makes it. Stages that follow this one order
    /// cannot block each other: the first event that is not done can always take place.
    private init(_ kind: Kind, _ shape: PipelineShape, computations: [[PipelineAction]]) {
        var actions = computations.map { _ in [PipelineAction]() }
        let timeline = PipelineTimeline(
            of: PipelineSchedule(kind, shape, actions: computations), costs: PipelineCosts())
        for event in timeline.events.sorted(by: { ($0.start, $0.stage) < ($1.start, $1.stage) }) {
            let action = event.action
            actions[event.stage].append(action)
            func message(_ send: PipelineAction.Kind, _ receive: PipelineAction.Kind, to part: Int) {
                guard (0..<shape.parts).contains(part), shape.stages > 1 else { return }
                actions[event.stage].append(PipelineAction(send, microBatch: action.microBatch, part: action.part))
                actions[shape.stage(of: part)].append(
                    PipelineAction(receive, microBatch: action.microBatch, part: part))
            }
            switch action.kind {
            case .forward: message(.sendActivations, .receiveActivations, to: action.part + 1)
            case .backward, .backwardInput: message(.sendGradients, .receiveGradients, to: action.part - 1)
            default: break
            }
        }
        self.init(kind, shape, actions: actions)
    }

    /// Micro-batches whose activations a stage keeps at once, counted once for each of its parts.
    public func peakInFlight(stage: Int) -> Int {
        var (now, peak) = (0, 0)
        for action in actions[stage] {
            switch action.kind {
            case .forward: now += 1
            case .backward: now -= 1
            case .backwardWeight: now -= 1
            default: break
            }
            peak = max(peak, now)
        }
        return peak
    }
}
