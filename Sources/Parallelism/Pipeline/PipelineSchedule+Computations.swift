extension PipelineSchedule {
    /// What a stage computes, in order.
    static func computations(_ kind: Kind, _ shape: PipelineShape, stage: Int) -> [PipelineAction] {
        switch kind {
        case .gpipe: gpipe(shape, stage: stage)
        case .oneForwardOneBackward, .interleaved: alternating(shape, stage: stage)
        case .zeroBubble: zeroBubble(shape, stage: stage)
        }
    }

    private static func gpipe(_ shape: PipelineShape, stage: Int) -> [PipelineAction] {
        let parts = shape.parts(of: stage)
        let microBatches = 0..<shape.microBatches
        return parts.flatMap { part in microBatches.map { PipelineAction(.forward, microBatch: $0, part: part) } }
            + parts.reversed().flatMap { part in
                microBatches.map { PipelineAction(.backward, microBatch: $0, part: part) }
            }
    }

    /// One forward pass, one backward pass, after as many forward passes as it takes for the first gradient to come back.
    ///
    /// With several parts a stage takes `stages` micro-batches through one part, then through the next.
    private static func alternating(_ shape: PipelineShape, stage: Int) -> [PipelineAction] {
        let passes = shape.microBatches * shape.virtualStages
        let lead = shape.stages - 1 - stage
        let warmUp = min(passes, shape.virtualStages == 1 ? lead : 2 * lead + (shape.virtualStages - 1) * shape.stages)
        func action(_ kind: PipelineAction.Kind, _ index: Int) -> PipelineAction {
            let (round, rest) = index.quotientAndRemainder(dividingBy: shape.stages * shape.virtualStages)
            let virtualStage = rest / shape.stages
            return PipelineAction(
                kind, microBatch: round * shape.stages + rest % shape.stages,
                part: (kind == .forward ? virtualStage : shape.virtualStages - 1 - virtualStage) * shape.stages + stage)
        }
        return (0..<warmUp).map { action(.forward, $0) }
            + (0..<passes - warmUp).flatMap { [action(.forward, warmUp + $0), action(.backward, $0)] }
            + (passes - warmUp..<passes).map { action(.backward, $0) }
    }

    /// Each stage puts off gradients of weights for as many micro-batches as its number, so that all stages end together
    /// and none keeps more activations than the first.
    private static func zeroBubble(_ shape: PipelineShape, stage: Int) -> [PipelineAction] {
        let count = shape.microBatches
        let warmUp = min(count, shape.stages - stage)
        func action(_ kind: PipelineAction.Kind, _ microBatch: Int) -> PipelineAction {
            PipelineAction(kind, microBatch: microBatch, part: stage)
        }
        var actions = (0..<warmUp).map { action(.forward, $0) }
        for microBatch in 0..<count {
            actions.append(action(.backwardInput, microBatch))
            if microBatch >= stage { actions.append(action(.backwardWeight, microBatch - stage)) }
            if warmUp + microBatch < count { actions.append(action(.forward, warmUp + microBatch)) }
        }
        return actions + (max(count - stage, 0)..<count).map { action(.backwardWeight, $0) }
    }
}
