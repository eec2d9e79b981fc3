import Autograd
import Collectives
import Foundation
import Models
import Numerics
import Optimization
import Parallelism
import Training

/// The ranks and threads that a scenario runs on.
struct Place {
    let mesh: Mesh
    let pool: ThreadPool
    var activations = ActivationSplit()

    var isFirst: Bool { mesh.world.rank == 0 }

    func fail(_ message: String) -> Never {
        print("rank \(mesh.world.rank): \(message)")
        exit(1)
    }
}

/// A model that trains on the same made-up tokens in every step, in two micro-batches.
final class Trainer {
    let engine: TrainingEngine
    private let batchSize: Int
    private let positions: TokenPositions
    private let tokensPerStep: Int
    private let tokens: UnsafeMutableBufferPointer<Int32>
    private let targets: UnsafeMutableBufferPointer<Int32>
    private let indices: UnsafeMutableBufferPointer<UInt64>
    private var stepsDone = 0

    /// - Parameter batchSize: sequences in a micro-batch.
    init(
        _ model: ModelConfiguration, batchSize: Int, optimizer: OptimizerConfiguration = OptimizerConfiguration(),
        recomputation: Recomputation = .selective, determinism: Determinism = .fast,
        pipeline: PipelineConfiguration = .init(), on place: Place
    ) {
        engine = TrainingEngine(
            model: model, optimizer: optimizer, seed: 1, mesh: place.mesh, pool: place.pool,
            recomputation: recomputation, determinism: determinism, activations: place.activations, pipeline: pipeline)
        self.batchSize = batchSize
        let sequenceLength = model.contextLength
        positions = place.mesh.positions(sequenceLength: sequenceLength)
        tokensPerStep = 2 * batchSize * sequenceLength * place.mesh.configuration.batchParts
        let first = 2 * batchSize * place.mesh.batchPart
        tokens = .allocate(capacity: 2 * batchSize * positions.sequenceLength)
        targets = .allocate(capacity: tokens.count)
        indices = .allocate(capacity: 2 * batchSize)
        func token(_ position: Int) -> Int32 {
            Int32((position * 7 + position * position / 3) % model.vocabularySize)
        }
        for row in tokens.indices {
            let position =
                (first + positions.sequence(ofRow: row)) * sequenceLength + positions.position(ofRow: row)
            tokens[row] = token(position)
            targets[row] = token(position + 1)
        }
        for row in indices.indices { indices[row] = UInt64(first + row) }
    }

    deinit {
        tokens.deallocate()
        targets.deallocate()
        indices.deallocate()
    }

    func step() -> Double {
        let result = engine.step(
            microBatches: 2, tokensPerStep: tokensPerStep, step: stepsDone, learningRate: 1e-3, microBatch: batch)
        stepsDone += 1
        return result.loss
    }

    private func batch(_ index: Int) -> TokenBatch {
        let count = batchSize * positions.sequenceLength
        let start = index * count
        return TokenBatch(
            tokens: UnsafeBufferPointer(rebasing: tokens[start..<start + count]),
            targets: UnsafeBufferPointer(rebasing: targets[start..<start + count]),
            sampleIndices: UnsafeBufferPointer(rebasing: indices[index * batchSize..<(index + 1) * batchSize]),
            positions: positions)
    }
}

/// Both families, tiny, and large enough for work to be cut into tiles.
let models: [(name: String, model: ModelConfiguration, batchSize: Int)] = [
    (
        "gpt2 tiny",
        ModelConfiguration(
            architecture: .gpt2, layers: 2, hiddenSize: 32, heads: 4, contextLength: 16, vocabularySize: 61,
            dropout: 0.1), 2
    ),
    (
        "llama tiny",
        ModelConfiguration(
            architecture: .llama, layers: 2, hiddenSize: 32, heads: 4, keyValueHeads: 2, feedForwardSize: 48,
            contextLength: 16, vocabularySize: 67, tiedEmbeddings: false, dropout: 0.1), 2
    ),
    (
        "gpt2 small",
        ModelConfiguration(
            architecture: .gpt2, layers: 2, hiddenSize: 128, heads: 4, contextLength: 80, vocabularySize: 512,
            dropout: 0.1), 3
    ),
    (
        "llama small",
        ModelConfiguration(
            architecture: .llama, layers: 2, hiddenSize: 128, heads: 4, keyValueHeads: 2, contextLength: 80,
            vocabularySize: 512, dropout: 0.1), 3
    ),
]
