import Models

extension JobConfiguration {
    /// Reports values that are right each by itself but not together.
    func reportConflicts(_ context: DecodingContext) {
        reportModelConflicts(context)
        reportBatchConflicts(context)
        reportDeterminismConflicts(context)
        reportScheduleConflicts(context)
        reportTensorConflicts(context)
        reportPipelineConflicts(context)
        reportActivationConflicts(context)
        reportCheckpointConflicts(context)
        reportGuardConflicts(context)
    }

    private func reportModelConflicts(_ context: DecodingContext) {
        context.require("model.hiddenSize", divisibleBy: "model.heads", model.hiddenSize, model.heads)
        context.require("model.heads", divisibleBy: "model.keyValueHeads", model.heads, model.keyValueHeads)
        context.check(["model.hiddenSize", "model.heads"]) {
            guard model.architecture == .llama, model.hiddenSize % model.heads == 0, model.headSize % 2 != 0 else {
                return nil
            }
            return Conflict(
                "the head size, model.hiddenSize / model.heads = \(model.headSize), is odd: RoPE turns pairs of channels",
                "choose a width that is an even multiple of the heads")
        }
    }

    private func reportBatchConflicts(_ context: DecodingContext) {
        context.check(["training.globalBatchSize", "training.microBatchSize", "parallelism.data"]) {
            let micro = training.microBatchSize
            let unit = fillsRanks ? micro : micro * parallelism.data
            guard training.globalBatchSize % unit != 0 else { return nil }
            let factors =
                fillsRanks
                ? "training.microBatchSize, \(micro)"
                : "parallelism.data × training.microBatchSize = \(parallelism.data) × \(micro) = \(unit)"
            return Conflict(
                "training.globalBatchSize is \(training.globalBatchSize), which is not a multiple of \(factors)",
                "set it to \(multiplesAround(training.globalBatchSize, of: unit)), or change the others")
        }
        context.check(["training.sequenceLength", "model.contextLength"]) {
            guard training.sequenceLength > model.contextLength else { return nil }
            return Conflict(
                "training.sequenceLength is \(training.sequenceLength), "
                    + "but model.contextLength is only \(model.contextLength)",
                "shorten the sequences or lengthen the context")
        }
    }

    private func reportDeterminismConflicts(_ context: DecodingContext) {
        context.check(["training.determinism", "parallelism.gradientExchange"]) {
            guard training.determinism == .topology, gradientExchange.wireFormat == .bfloat16 else { return nil }
            return Conflict(
                "training.determinism is topology, but parallelism.gradientExchange is bfloat16: gradients would be "
                    + "rounded between hosts, so that the result depends on how many there are",
                "set parallelism.gradientExchange to float32, or training.determinism to fast")
        }
        context.check([
            "training.determinism", "training.globalBatchSize", "training.microBatchSize", "parallelism.data",
        ]) { fillsRanks ? nil : determinismConflict }
    }

    private func reportScheduleConflicts(_ context: DecodingContext) {
        let schedule = optimizer.schedule
        let path = "optimizer.schedule"
        context.check(["\(path).warmupSteps", "\(path).decaySteps", "training.steps"]) {
            let needed = schedule.warmupSteps + schedule.decaySteps
            guard needed > training.steps else { return nil }
            return Conflict(
                "\(path).warmupSteps + \(path).decaySteps = \(schedule.warmupSteps) + \(schedule.decaySteps) = \(needed) "
                    + "is more than training.steps, \(training.steps)",
                "train longer, or shorten warm-up and decay")
        }
        context.check(["\(path).decaySteps", "\(path).kind"]) {
            guard schedule.decaySteps > 0, schedule.kind != .warmupStableDecay else { return nil }
            return Conflict(
                "\(path).decaySteps has no effect on a \(schedule.kind.rawValue) schedule",
                "remove it, or set \(path).kind to warmup-stable-decay")
        }
    }

    private func reportTensorConflicts(_ context: DecodingContext) {
        let tensor = parallelism.tensor
        context.require("model.heads", divisibleBy: "parallelism.tensor", model.heads, tensor)
        if model.keyValueHeads != model.heads {
            context.require("model.keyValueHeads", divisibleBy: "parallelism.tensor", model.keyValueHeads, tensor)
        }
        context.require("model.feedForwardSize", divisibleBy: "parallelism.tensor", model.feedForwardSize, tensor)
        context.check(["model.vocabularySize", "parallelism.tensor"]) {
            guard model.vocabularySize < tensor else { return nil }
            return Conflict(
                "model.vocabularySize is \(model.vocabularySize), fewer than the \(tensor) ranks that share it",
                "lower parallelism.tensor")
        }
    }

    private func reportCheckpointConflicts(_ context: DecodingContext) {
        context.check(["checkpoint.localFolder", "checkpoint.localEvery"]) {
            guard (checkpoint.localFolder == nil) != (checkpoint.localEvery == 0) else { return nil }
            return Conflict(
                "checkpoint.localFolder is \(checkpoint.localFolder.map { "'\($0)'" } ?? "not given"), and "
                    + "checkpoint.localEvery is \(checkpoint.localEvery): hosts' own copies need both",
                "give the folder that each host has for itself, and the number of steps between two copies")
        }
        context.check(["checkpoint.keepEvery", "checkpoint.every"]) {
            guard checkpoint.every > 0, checkpoint.keepEvery % checkpoint.every != 0 else { return nil }
            return Conflict(
                "checkpoint.keepEvery is \(checkpoint.keepEvery), which is not a multiple of checkpoint.every, "
                    + "\(checkpoint.every): most steps to keep would never be saved",
                "set it to \(multiplesAround(checkpoint.keepEvery, of: checkpoint.every))")
        }
    }

    private func reportGuardConflicts(_ context: DecodingContext) {
        context.check(["guards.onSpike", "guards.spikeThreshold"]) {
            guard guards.onSpike != .ignore, guards.spikeThreshold == 0 else { return nil }
            return Conflict(
                "guards.onSpike is \(guards.onSpike.rawValue), but guards.spikeThreshold is 0, which looks for no spikes",
                "set guards.spikeThreshold to, for example, 6")
        }
        guard guards.onNonFinite == .rollback || guards.onSpike == .rollback else { return }
        context.check(["guards.onNonFinite", "guards.onSpike", "checkpoint.every"]) {
            guard checkpoint.every == 0 else { return nil }
            return Conflict(
                "guards ask for rollbacks, but checkpoint.every is 0: there will be no checkpoint to go back to",
                "set checkpoint.every, or choose stop or skip")
        }
        context.check(["guards.rollbackCheckpoints", "checkpoint.keepLast"]) {
            guard guards.rollbackCheckpoints > checkpoint.keepLast else { return nil }
            return Conflict(
                "guards.rollbackCheckpoints is \(guards.rollbackCheckpoints), but checkpoint.keepLast is only "
                    + "\(checkpoint.keepLast)",
                "keep as many checkpoints as a rollback goes back")
        }
    }
}

struct Conflict {
    let message: String
    let remedy: String

    init(_ message: String, _ remedy: String) {
        self.message = message
        self.remedy = remedy
    }
}

extension DecodingContext {
    /// Looks for a conflict between values, unless one of them is wrong by itself already.
    func check(_ paths: [String], _ find: () -> Conflict?) {
        guard paths.allSatisfy(isValid), let conflict = find() else { return }
        reportConflict(paths, conflict.message, remedy: conflict.remedy)
    }

    func require(_ path: String, divisibleBy other: String, _ value: Int, _ divisor: Int) {
        check([path, other]) {
            guard value % divisor != 0 else { return nil }
            return Conflict(
                "\(path) is \(value), which is not a multiple of \(other), \(divisor)",
                "set \(path) to \(multiplesAround(value, of: divisor)), or change \(other)")
        }
    }
}

/// "4 or 6": the multiples on both sides of a number that is none.
func multiplesAround(_ value: Int, of unit: Int) -> String {
    let below = value / unit * unit
    return below == 0 ? "\(unit)" : "\(below) or \(below + unit)"
}
