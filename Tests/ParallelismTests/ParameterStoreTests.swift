import Autograd
import Models
import Numerics
import Parallelism
import Testing

@Suite struct ParameterStoreTests {
    private static let models = [
        ModelConfiguration(
            architecture: .gpt2, layers: 2, hiddenSize: 24, heads: 4, contextLength: 8, vocabularySize: 37),
        ModelConfiguration(
            architecture: .llama, layers: 2, hiddenSize: 32, heads: 4, keyValueHeads: 2, contextLength: 8,
            vocabularySize: 41),
    ]

    /// Every parameter, put together from the slices of all tensor-parallel ranks.
    private func wholeParameters(_ model: ModelConfiguration, ranks: Int, threads: Int) -> [String: [Float]] {
        let decoder = Decoder(model)
        var whole: [String: [Float]] = [:]
        for rank in 0..<ranks {
            let pool = ThreadPool(threadCount: threads)
            let store = ParameterStore(
                decoder.declarations, plan: ShardingPlan(tensorRank: rank, tensorSize: ranks),
                tape: Tape(pool: pool))
            store.initialize(seed: 7, pool: pool)
            for entry in store.entries {
                let name = entry.specification.name
                var values = whole[name] ?? [Float](repeating: .nan, count: entry.specification.count)
                let ranges = entry.slice.ranges
                let columns = ranges.count == 1 ? 0..<1 : ranges[1]
                let width = ranges.count == 1 ? 1 : entry.specification.shape[1]
                var next = entry.range.lowerBound
                for row in ranges[0] {
                    for column in columns {
                        values[row * width + column] = store.values[next]
                        next += 1
                    }
                }
                whole[name] = values
            }
        }
        return whole
    }

    @Test(arguments: models, [2, 4])
    func initialWeightsDoNotDependOnTheLayout(_ model: ModelConfiguration, ranks: Int) {
        guard model.keyValueHeads % ranks == 0 else { return }
        #expect(
            wholeParameters(model, ranks: 1, threads: 1) == wholeParameters(model, ranks: ranks, threads: 2))
    }

    @Test(arguments: models)
    func everyElementIsInitialized(_ model: ModelConfiguration) {
        let whole = wholeParameters(model, ranks: 2, threads: 1)
        #expect(whole.values.allSatisfy { $0.allSatisfy(\.isFinite) })
        #expect(whole.values.reduce(0) { $0 + $1.count } == model.parameterCount)
        #expect(whole["finalNorm.weight"]!.allSatisfy { $0 == 1 })
    }

    @Test func stackedParametersAreOneMatrix() {
        let decoder = Decoder(Self.models[1])
        let tape = Tape(pool: ThreadPool(threadCount: 1))
        let store = ParameterStore(
            decoder.declarations, plan: ShardingPlan(tensorRank: 0, tensorSize: 1), tape: tape)
        let names = ["query", "key", "value"].map { "blocks.0.attention.\($0).weight" }
        let ranges = names.map { name in store.entries.first { $0.specification.name == name }!.range }
        #expect(ranges[0].upperBound == ranges[1].lowerBound)
        #expect(ranges[1].upperBound == ranges[2].lowerBound)
    }
}
