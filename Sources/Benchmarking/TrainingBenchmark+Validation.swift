import Numerics

extension TrainingBenchmark {
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
        try divides(batchSize, "the batch", by: mesh.data, "the replicas")
        if model.architecture == .llama { try divides(model.headSize, "the head size", by: 2, "RoPE's pairs") }
    }
}
