import Parallelism

extension JobConfiguration {
    /// Micro-batches of a replica in a step.
    public var microBatches: Int {
        max(training.globalBatchSize / (parallelism.batchParts * training.microBatchSize), 1)
    }

    /// What the stages of a pipeline do in a step.
    public var pipelineShape: PipelineShape {
        PipelineShape(
            stages: parallelism.pipeline, virtualStages: pipeline.virtualStages, microBatches: microBatches)
    }

    func reportPipelineConflicts(_ context: DecodingContext) {
        context.check([
            "parallelism.pipeline", "parallelism.schedule", "parallelism.virtualStages", "model.layers",
        ]) { pipelineConflict }
        context.check([
            "parallelism.pipeline", "parallelism.schedule", "parallelism.virtualStages", "model.layers",
            "parallelism.data", "training.globalBatchSize", "training.microBatchSize",
        ]) {
            // How many replicas there will be is not known yet, or the batch does not fit them anyway.
            let unit = parallelism.batchParts * training.microBatchSize
            let isKnown = !fillsRanks && training.globalBatchSize % unit == 0
            return isKnown && pipelineConflict == nil ? microBatchConflict : nil
        }
    }

    /// Whether another mesh would suit the rest of the job's pipeline.
    func suits(pipelineOf mesh: MeshConfiguration) -> Bool {
        var job = self
        job.parallelism = mesh
        return job.pipelineConflict == nil && job.microBatchConflict == nil
    }

    /// Set where the model cannot be cut into the pipeline's parts.
    var pipelineConflict: Conflict? {
        let (stages, virtual) = (parallelism.pipeline, pipeline.virtualStages)
        if stages > 1, stages > model.layers {
            return Conflict(
                "parallelism.pipeline is \(stages), more stages than model.layers, \(model.layers): each needs a block",
                "set parallelism.pipeline to \(model.layers) or less")
        }
        if virtual > 1, stages == 1 || pipeline.schedule != .interleaved {
            return Conflict(
                "parallelism.virtualStages is \(virtual), but "
                    + (stages == 1
                        ? "parallelism.pipeline is 1: there are no stages"
                        : "a stage of the \(pipeline.schedule.rawValue) schedule has one part of the model"),
                "set parallelism.virtualStages to 1, or "
                    + (stages == 1 ? "parallelism.pipeline to 2 or more" : "parallelism.schedule to interleaved"))
        }
        guard stages > 1, pipeline.schedule == .interleaved else { return nil }
        let most = model.layers / stages
        if virtual == 1 {
            return Conflict(
                "parallelism.schedule is interleaved, but parallelism.virtualStages is 1",
                most >= 2
                    ? "set parallelism.virtualStages to \(most == 2 ? "2" : "between 2 and \(most)"), or "
                        + "parallelism.schedule to 1f1b"
                    : "set parallelism.schedule to 1f1b")
        }
        guard virtual > most else { return nil }
        return Conflict(
            "parallelism.pipeline × parallelism.virtualStages = \(stages) × \(virtual) = \(stages * virtual) parts, more "
                + "than model.layers, \(model.layers): each needs a block",
            most >= 2
                ? "set parallelism.virtualStages to \(most) or less, or lower parallelism.pipeline"
                : "set parallelism.virtualStages to 1 and parallelism.schedule to 1f1b, or lower parallelism.pipeline")
    }

    /// Set where a step has too few micro-batches for the pipeline's stages, or a number that they cannot share.
    var microBatchConflict: Conflict? {
        let (stages, count) = (parallelism.pipeline, microBatches)
        let unit = parallelism.batchParts * training.microBatchSize
        guard stages > 1 else { return nil }
        let has =
            "a step has \(count) micro-batch\(count == 1 ? "" : "es") for each replica, training.globalBatchSize / "
            + "(\(batchPartsFormula) × training.microBatchSize) = \(training.globalBatchSize) / "
            + "(\(parallelism.batchParts) × \(training.microBatchSize))"
        if count < stages {
            return Conflict(
                "\(has), fewer than the \(stages) stages of parallelism.pipeline: some would never have work",
                "set training.globalBatchSize to \(stages * unit), lower training.microBatchSize, or set "
                    + "parallelism.pipeline to \(count)")
        }
        guard pipeline.schedule == .interleaved, count % stages != 0 else { return nil }
        return Conflict(
            "\(has), and the interleaved schedule needs a multiple of parallelism.pipeline, \(stages)",
            "set training.globalBatchSize to \(multiplesAround(training.globalBatchSize, of: stages * unit)), or "
                + "parallelism.schedule to 1f1b")
    }
}
