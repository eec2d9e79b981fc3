import Autograd
import Checkpointing
import Collectives
import Models
import Numerics
import Parallelism

/// A trained model, loaded to be run: whole, or cut over the ranks of a communicator.
public final class LanguageModelRunner {
    public let decoder: Decoder
    private let tape: Tape
    private let store: ParameterStore
    private let regions: any TensorRegions
    private var cache: KeyValueCache

    /// - Parameter communicator: Ranks that share the model by tensor parallelism; each reads only its slices.
    /// - Throws: `ApusError` where the checkpoint is damaged or does not fit the model.
    public init(
        _ model: ModelConfiguration, from reader: CheckpointReader, communicator: any Communicator, pool: ThreadPool
    ) throws {
        decoder = Decoder(model)
        tape = Tape(pool: pool)
        tape.isRecording = false
        let plan = ShardingPlan(tensorRank: communicator.rank, tensorSize: communicator.size)
        store = ParameterStore(decoder.declarations, plan: plan, tape: tape)
        for entry in store.entries {
            try reader.read(
                "model/\(entry.specification.name)", shape: entry.specification.shape, slice: entry.slice.ranges,
                into: store.values(of: entry).baseAddress!)
        }
        regions = communicator.size == 1 ? UndividedRegions.shared : TensorParallelRegions(communicator)
        cache = KeyValueCache(decoder, batchSize: 1, parameters: store.bindings)
    }

    /// Forgets the tokens seen so far.
    public func startText() {
        cache = KeyValueCache(decoder, batchSize: 1, parameters: store.bindings)
    }

    /// Positions that the model has left.
    public var remainingContext: Int { decoder.configuration.contextLength - cache.length }

    /// Calls `body` with the scores of the token after `tokens`, which follow those given before.
    public func withNextScores<Result>(
        after tokens: [Int32], _ body: (UnsafeBufferPointer<Float>) throws -> Result
    ) rethrows -> Result {
        precondition(!tokens.isEmpty && tokens.count <= remainingContext)
        return try score(tokens, cache: cache, body)
    }

    /// The same without a cache: all of `tokens` are run from the start.
    package func withNextScoresUncached<Result>(
        after tokens: [Int32], _ body: (UnsafeBufferPointer<Float>) throws -> Result
    ) rethrows -> Result {
        try score(tokens, cache: nil, body)
    }

    private func score<Result>(
        _ tokens: [Int32], cache: KeyValueCache?, _ body: (UnsafeBufferPointer<Float>) throws -> Result
    ) rethrows -> Result {
        defer { tape.reset() }
        let context = ForwardContext(tape: tape, parameters: store.bindings, regions: regions)
        let logits = tokens.withUnsafeBufferPointer {
            decoder.nextTokenLogits($0, batchSize: 1, cache: cache, context)
        }
        return try body(UnsafeBufferPointer(start: tape.value(logits), count: logits.count))
    }
}
