import Autograd
import Checkpointing
import Collectives
import Foundation
import Generation
import JobConfiguration
import Models
import Numerics
import Parallelism
import TestSupport
import Testing
import Tokenization

@Suite struct LanguageModelRunnerTests {
    static let models = [
        ModelConfiguration(
            architecture: .gpt2, layers: 2, hiddenSize: 32, heads: 4, contextLength: 24, vocabularySize: 257,
            initializerRange: 0.2),
        ModelConfiguration(
            architecture: .llama, layers: 2, hiddenSize: 32, heads: 4, keyValueHeads: 2, contextLength: 24,
            vocabularySize: 257, initializerRange: 0.2),
    ]

    /// A model with its initial weights, by way of a checkpoint on disk.
    private func withRunner(
        _ model: ModelConfiguration, _ body: (LanguageModelRunner) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            let pool = ThreadPool(threadCount: 2)
            let store = ParameterStore(
                Decoder(model).declarations, plan: ShardingPlan(tensorRank: 0, tensorSize: 1),
                tape: Tape(pool: pool))
            store.initialize(seed: 3, pool: pool)
            let tensors = store.entries.map {
                CheckpointTensor(
                    name: "model/\($0.specification.name)", shape: $0.specification.shape, slice: $0.slice.ranges,
                    values: UnsafeBufferPointer(store.values(of: $0)))
            }
            _ = try CheckpointWriter.save(
                folder: CheckpointFolder(folder.path), step: 1, tensors: tensors,
                state: CheckpointState(nextSample: 0, tokensSeen: 0, job: ""),
                communicator: SingleProcessCommunicator())
            try body(
                LanguageModelRunner(
                    model, from: CheckpointReader(folder.path), communicator: SingleProcessCommunicator(), pool: pool))
        }
    }

    private func best(_ scores: UnsafeBufferPointer<Float>) -> Int32 {
        TokenSampling(temperature: 0).choose(scores, position: 0)
    }

    @Test(arguments: models)
    func greedyTextIsTheSameWithAndWithoutTheCache(_ model: ModelConfiguration) throws {
        try withRunner(model) { runner in
            let prompt: [Int32] = [10, 200, 31, 7]
            var (cached, uncached) = (prompt, prompt)
            var unread = prompt
            for _ in 0..<20 {
                unread = [runner.withNextScores(after: unread, best)]
                cached += unread
                uncached.append(runner.withNextScoresUncached(after: uncached, best))
            }
            #expect(cached == uncached)
            #expect(runner.remainingContext == 1)
            #expect(Set(cached).count > 2, "a model that repeats one token would hide a difference")
        }
    }

    @Test(arguments: models)
    func aTextMayOutgrowTheContext(_ model: ModelConfiguration) throws {
        try withRunner(model) { runner in
            let generator = try TextGenerator(
                model: runner, tokenizer: ByteTokenizer(), sampling: TokenSampling(temperature: 1, seed: 5))
            var text = ""
            let first = try generator.generate(prompt: "A prompt longer than the context of the model", count: 60) {
                text += $0
            }
            #expect(first.count <= 60)
            #expect(
                first
                    == (try generator.generate(prompt: "A prompt longer than the context of the model", count: 60) {
                        _ in
                    }))
            #expect(text.utf8.count >= first.count)
        }
    }

    @Test func aTokenizerLargerThanTheModelIsRefused() throws {
        var model = Self.models[0]
        model.vocabularySize = 100
        try withRunner(model) { runner in
            #expect {
                try TextGenerator(model: runner, tokenizer: ByteTokenizer(), sampling: TokenSampling())
            } throws: {
                "\($0)".contains("the model knows 100")
            }
        }
    }
}
