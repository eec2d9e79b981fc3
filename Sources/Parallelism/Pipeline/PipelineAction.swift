/// One thing that a stage does for one micro-batch and one of its parts of the model.
public struct PipelineAction: Hashable, Sendable, CustomStringConvertible {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case forward = "forward"
        /// The whole backward pass.
        case backward = "backward"
        /// The part of the backward pass that the stage before waits for: gradients of activations.
        case backwardInput = "backward-input"
        /// The part of it that only the optimizer waits for: gradients of weights.
        case backwardWeight = "backward-weight"
        /// The output of this part, to the next one.
        case sendActivations = "send-activations"
        /// The input of this part, from the one before.
        case receiveActivations = "receive-activations"
        /// The gradient of this part's input, to the part before.
        case sendGradients = "send-gradients"
        /// The gradient of this part's output, from the next one.
        case receiveGradients = "receive-gradients"
    }

    public var kind: Kind
    public var microBatch: Int
    public var part: Int

    public init(_ kind: Kind, microBatch: Int, part: Int) {
        self.kind = kind
        self.microBatch = microBatch
        self.part = part
    }

    public var isMessage: Bool {
        switch kind {
        case .sendActivations, .receiveActivations, .sendGradients, .receiveGradients: true
        case .forward, .backward, .backwardInput, .backwardWeight: false
        }
    }

    /// What must come before on the stage of the part that is concerned, for a computation: the message that brings its
    /// input is not counted.
    func prerequisites(parts: Int, splitsBackward: Bool) -> [PipelineAction] {
        let backward = splitsBackward ? Kind.backwardInput : .backward
        switch kind {
        case .forward: return part == 0 ? [] : [PipelineAction(.forward, microBatch: microBatch, part: part - 1)]
        case .backward, .backwardInput:
            let own = PipelineAction(.forward, microBatch: microBatch, part: part)
            return part == parts - 1
                ? [own] : [own, PipelineAction(backward, microBatch: microBatch, part: part + 1)]
        case .backwardWeight: return [PipelineAction(.backwardInput, microBatch: microBatch, part: part)]
        default: return []
        }
    }

    public var description: String { "\(kind.rawValue) of micro-batch \(microBatch), part \(part)" }
}
