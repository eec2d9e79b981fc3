import Numerics

extension PipelineSchedule {
    /// Proves the schedule complete and free of deadlock.
    ///
    /// Every part runs every micro-batch forward and backward exactly once, on its stage, in the order of micro-batches;
    /// every input is received before it is used, and every output sent after it is there. The exchange is then played
    /// with sends and receives that both block until the other side is at the same message, which is less than any real
    /// transport gives; what ends so ends with every transport.
    ///
    /// - Throws: `ApusError` that names the stage and the action that is wrong.
    public func check() throws(ApusError) {
        guard actions.count == shape.stages else {
            throw problem("\(actions.count) lists of actions for \(shape.stages) stages")
        }
        for stage in actions.indices { try checkStage(stage) }
        try checkMessages()
    }

    private func problem(_ text: String) -> ApusError {
        ApusError(
            "checking the \(kind.rawValue) schedule of \(shape.stages) stages and \(shape.microBatches) micro-batches",
            text, remedy: "this is a mistake in the schedule, not in the job")
    }

    private func checkStage(_ stage: Int) throws(ApusError) {
        var done: Set<PipelineAction> = []
        for action in actions[stage] {
            guard shape.stage(of: action.part) == stage, (0..<shape.parts).contains(action.part),
                (0..<shape.microBatches).contains(action.microBatch)
            else { throw problem("stage \(stage) has no part in \(action)") }
            guard kinds(of: action.part).contains(action.kind) else {
                throw problem("stage \(stage) does \(action), which nothing asks for")
            }
            guard done.insert(action).inserted else { throw problem("stage \(stage) does \(action) twice") }
            for other in before(action) where !done.contains(other) {
                throw problem("stage \(stage) does \(action) without \(other) before it")
            }
        }
        for part in shape.parts(of: stage) {
            for microBatch in 0..<shape.microBatches {
                for kind in kinds(of: part) {
                    let action = PipelineAction(kind, microBatch: microBatch, part: part)
                    guard done.contains(action) else { throw problem("stage \(stage) never does \(action)") }
                }
            }
        }
    }

    /// What has to be done for every micro-batch of a part, and nothing else.
    private func kinds(of part: Int) -> [PipelineAction.Kind] {
        var kinds: [PipelineAction.Kind] =
            kind.splitsBackward ? [.forward, .backwardInput, .backwardWeight] : [.forward, .backward]
        guard shape.stages > 1 else { return kinds }
        if part > 0 { kinds += [.receiveActivations, .sendGradients] }
        if part < shape.parts - 1 { kinds += [.sendActivations, .receiveGradients] }
        return kinds
    }

    /// What the same stage must have done before an action.
    private func before(_ action: PipelineAction) -> [PipelineAction] {
        let allowed = kinds(of: action.part)
        func own(_ kind: PipelineAction.Kind) -> PipelineAction {
            PipelineAction(kind, microBatch: action.microBatch, part: action.part)
        }
        let backward = kind.splitsBackward ? PipelineAction.Kind.backwardInput : .backward
        var needed: [PipelineAction] =
            switch action.kind {
            case .forward: [own(.receiveActivations)]
            case .sendActivations: [own(.forward)]
            case .backward, .backwardInput: [own(.forward), own(.receiveGradients), own(.sendActivations)]
            case .backwardWeight: [own(.backwardInput)]
            case .sendGradients: [own(backward)]
            case .receiveActivations, .receiveGradients: []
            }
        needed = needed.filter { allowed.contains($0.kind) }
        // Sums over micro-batches are in their order.
        if action.microBatch > 0, !action.isMessage {
            needed.append(PipelineAction(action.kind, microBatch: action.microBatch - 1, part: action.part))
        }
        return needed
    }

    // MARK: Messages

    /// What the other side of a message does.
    private func counterpart(of action: PipelineAction) -> PipelineAction {
        let (kind, part): (PipelineAction.Kind, Int) =
            switch action.kind {
            case .sendActivations: (.receiveActivations, action.part + 1)
            case .receiveActivations: (.sendActivations, action.part - 1)
            case .sendGradients: (.receiveGradients, action.part - 1)
            default: (.sendGradients, action.part + 1)
            }
        return PipelineAction(kind, microBatch: action.microBatch, part: part)
    }

    /// Plays the schedule with blocking messages.
    private func checkMessages() throws(ApusError) {
        var positions = actions.map { _ in 0 }
        func current(_ stage: Int) -> PipelineAction? {
            positions[stage] < actions[stage].count ? actions[stage][positions[stage]] : nil
        }
        var advanced = true
        while advanced {
            advanced = false
            for stage in actions.indices {
                while let action = current(stage) {
                    if action.isMessage {
                        let other = counterpart(of: action)
                        let peer = shape.stage(of: other.part)
                        guard current(peer) == other else { break }
                        positions[peer] += 1
                    }
                    positions[stage] += 1
                    advanced = true
                }
            }
        }
        let waiting = actions.indices.compactMap { stage in
            current(stage).map { "stage \(stage) waits in \($0)" }
        }
        guard waiting.isEmpty else { throw problem("deadlock: " + waiting.joined(separator: "; ")) }
    }
}
