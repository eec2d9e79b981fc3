import Autograd
import Checkpointing
import Collectives
import Foundation
import Models
import Numerics
import Optimization
import Parallelism
import Testing
import Training

/// One step and ten updates of tiny models against values that `Fixtures/make_fixtures.py` computed in float64 with an
/// implementation of its own. Relative errors are of norms: ‖found - expected‖ / ‖expected‖ ≤ 1e-4 for every tensor.
@Suite struct GoldenParityTests {
    struct Golden: Sendable, CustomTestStringConvertible {
        let name: String
        let model: ModelConfiguration

        var testDescription: String { name }

        func open() throws -> SafetensorsFile {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            return try SafetensorsFile(folder.appendingPathComponent("Fixtures/\(name).safetensors").path)
        }
    }

    static let goldens = [
        Golden(
            name: "gpt2",
            model: ModelConfiguration(
                architecture: .gpt2, layers: 2, hiddenSize: 32, heads: 4, contextLength: 16, vocabularySize: 61)),
        Golden(
            name: "llama",
            model: ModelConfiguration(
                architecture: .llama, layers: 2, hiddenSize: 32, heads: 4, keyValueHeads: 2, feedForwardSize: 48,
                contextLength: 16, vocabularySize: 67, tiedEmbeddings: false)),
    ]

    private static let tolerance = 1e-4

    private func relativeError(_ found: some Sequence<Float>, _ expected: [Float]) -> Double {
        var (difference, norm) = (0.0, 0.0)
        for (found, expected) in zip(found, expected) {
            difference += pow(Double(found) - Double(expected), 2)
            norm += pow(Double(expected), 2)
        }
        return (difference / norm).squareRoot()
    }

    /// The fixture's batch; `body` gets it while its memory is there.
    private func withBatch<Result>(
        _ file: SafetensorsFile, _ body: (TokenBatch) throws -> Result
    ) throws -> Result {
        let tokens = try file.readIntegers("tokens").map { Int32($0) }
        let targets = try file.readIntegers("targets").map { Int32($0) }
        return try tokens.withUnsafeBufferPointer { tokens in
            try targets.withUnsafeBufferPointer { targets in
                try [UInt64(0), 1].withUnsafeBufferPointer { indices in
                    try body(
                        TokenBatch(tokens: tokens, targets: targets, sampleIndices: indices, sequenceLength: 16))
                }
            }
        }
    }

    private func load(_ file: SafetensorsFile, into store: ParameterStore) throws {
        for entry in store.entries {
            try file.read("weights/\(entry.specification.name)", into: store.values(of: entry).baseAddress!)
        }
    }

    private func makeEngine(_ golden: Golden, _ file: SafetensorsFile, threads: Int) throws -> TrainingEngine {
        var optimizer = OptimizerConfiguration()
        optimizer.weightDecay = 0.1
        let engine = TrainingEngine(
            model: golden.model, optimizer: optimizer, seed: 1,
            mesh: Mesh(MeshConfiguration(), world: SingleProcessCommunicator()), pool: ThreadPool(threadCount: threads))
        try load(file, into: engine.store)
        return engine
    }

    @Test(arguments: goldens)
    func logits(_ golden: Golden) throws {
        let file = try golden.open()
        let tape = Tape(pool: ThreadPool(threadCount: 2))
        tape.isRecording = false
        let decoder = Decoder(golden.model)
        let store = ParameterStore(
            decoder.declarations, plan: ShardingPlan(tensorRank: 0, tensorSize: 1), tape: tape)
        try load(file, into: store)
        try withBatch(file) { batch in
            let logits = decoder.logits(
                batch.tokens, batchSize: 2, ForwardContext(tape: tape, parameters: store.bindings))
            let found = UnsafeBufferPointer(start: tape.value(logits), count: logits.count)
            let expected = try file.readFloats("logits")
            #expect(relativeError(found, expected) <= Self.tolerance)
        }
    }

    @Test(arguments: goldens)
    func lossAndEveryGradientOfOneStep(_ golden: Golden) throws {
        let file = try golden.open()
        let engine = try makeEngine(golden, file, threads: 2)
        try withBatch(file) { batch in
            let result = engine.step(
                microBatches: 1, tokensPerStep: 32, step: 0, learningRate: 1e-3, microBatch: { _ in batch })
            let (loss, norm) = try (file.readFloats("loss"), file.readFloats("gradientNorm"))
            #expect(relativeError([Float(result.loss)], loss) <= Self.tolerance)
            #expect(relativeError([Float(result.gradientNorm)], norm) <= Self.tolerance)
        }
        let norm = try Double(file.readFloats("gradientNorm")[0])
        for entry in engine.store.entries {
            let name = entry.specification.name
            let found = UnsafeMutableBufferPointer(rebasing: engine.store.gradients[entry.range])
            if name.hasSuffix("key.bias") {
                // Softmax does not see what is added to all scores of a row: the gradient is zero but for rounding.
                #expect(found.reduce(0) { $0 + pow(Double($1), 2) }.squareRoot() <= 1e-6 * norm, "\(name)")
            } else {
                #expect(try relativeError(found, file.readFloats("gradients/\(name)")) <= Self.tolerance, "\(name)")
            }
        }
    }

    @Test(arguments: goldens, [1, 4])
    func lossesOfTenUpdates(_ golden: Golden, threads: Int) throws {
        let file = try golden.open()
        let engine = try makeEngine(golden, file, threads: threads)
        let expected = try file.readFloats("losses")
        try withBatch(file) { batch in
            for step in 0..<10 {
                let loss = engine.step(
                    microBatches: 1, tokensPerStep: 32, step: step, learningRate: 1e-3, microBatch: { _ in batch }
                ).loss
                #expect(relativeError([Float(loss)], [expected[step]]) <= Self.tolerance, "step \(step)")
            }
        }
    }
}
