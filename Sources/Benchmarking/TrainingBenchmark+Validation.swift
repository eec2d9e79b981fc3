import Numerics

extension TrainingBenchmark {
    /// What a job would be refused for.
    private func validatePipeline() throws {
        func require(_ condition: Bool, _ problem: String, remedy: String) throws {
            if !condition { throw ApusError("preparing the benchmark", problem, remedy: remedy) }
        }
        let (stages, virtual) = (mesh.pipeline, pipeline.virtualStages)
        let isInterleaved = stages > 1 && pipeline.schedule == .interleaved
        try require(
            isInterleaved == (virtual > 1), "an interleaved schedule has two virtual stages or more, others one",
            remedy: "set both, or neither")
        try require(
            stages * virtual <= model.layers,
            "\(stages) stages of \(virtual) parts need \(stages * virtual) blocks, the model has \(model.layers)",
            remedy: "take fewer stages or more blocks")
        try require(
            accumulation >= stages && (!isInterleaved || accumulation % stages == 0),
            "\(accumulation) micro-batches do not suit \(stages) stages",
            remedy: "take as many micro-batches as stages, or a multiple of them")
    }

    /// - Throws: `ApusError` naming what does not divide.
    public func validate() throws {
        func divides(_ value: Int, _ name: String, by divisor: Int, _ divisorName: String) throws {
            guard divisor > 0, value % divisor == 0 else {
                throw ApusError(
                    "preparing the benchmark", "\(name), \(value), is not a multiple of \(divisorName), \(divisor)",
                    remedy: "change one of the two")
            }
        }
        try divides(model.hiddenSize, "the width", by: model.heads, "the heads")
        try divides(model.heads, "the heads", by: model.keyValueHeads, "the key/value heads")
        try divides(model.heads, "the heads", by: mesh.tensor, "the tensor-parallel ranks")
        try divides(model.keyValueHeads, "the key/value heads", by: mesh.tensor, "the tensor-parallel ranks")
        try divides(batchSize, "the batch", by: mesh.batchParts, "the replicas")
        let (context, tensor) = (mesh.context, mesh.tensor)
        if context > 1 {
            try divides(
                sequenceLength, "the sequence length", by: 2 * context, "the chunks, two a context-parallel rank")
            if activations.contextAttention == .heads {
                let sharers = "the context-parallel × tensor-parallel ranks"
                try divides(model.heads, "the heads", by: context * tensor, sharers)
                try divides(model.keyValueHeads, "the key/value heads", by: context * tensor, sharers)
            }
        }
        if activations.sequence {
            try divides(
                sequenceLength, "the sequence length", by: context * tensor,
                "the context-parallel × tensor-parallel ranks")
        }
        try validatePipeline()
        if model.architecture == .llama { try divides(model.headSize, "the head size", by: 2, "RoPE's pairs") }
    }
}
