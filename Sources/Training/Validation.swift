import Collectives
import Models
import Parallelism

/// The mean loss over a fixed set of validation samples, shared out over the replicas.
final class Validation {
    private let loader: BatchLoader
    private let microBatchSize: Int
    private let sequenceLength: Int
    private let samples: Int
    private let mesh: Mesh

    /// - Parameter samples: How many of the loader's first samples are evaluated.
    init(_ loader: BatchLoader, microBatchSize: Int, sequenceLength: Int, samples: Int, mesh: Mesh) {
        self.loader = loader
        self.microBatchSize = microBatchSize
        self.sequenceLength = sequenceLength
        self.samples = samples
        self.mesh = mesh
    }

    /// Mean cross-entropy a token, in nats; the same on every rank. Collective.
    func loss(of engine: TrainingEngine) throws -> Double {
        // Each batch's sum has a place of its own, so that it does not matter who evaluates which.
        var sums = [Double](repeating: 0, count: (samples + microBatchSize - 1) / microBatchSize)
        for batch in stride(from: mesh.batchPart, to: sums.count, by: mesh.configuration.batchParts) {
            let first = batch * microBatchSize
            sums[batch] = engine.evaluate(
                try loader.batch(UInt64(first)..<UInt64(min(first + microBatchSize, samples))))
        }
        sums.withUnsafeMutableBufferPointer {
            mesh.replicas.allReduce($0, .sum, label: "validation loss")
            // Only the last stage of a pipeline has losses.
            mesh[.pipeline].allReduce($0, .sum, label: "validation loss of the stages")
        }
        return sums.reduce(0, +) / Double(samples * sequenceLength)
    }
}
