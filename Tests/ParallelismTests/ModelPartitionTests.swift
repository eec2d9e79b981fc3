import Models
import Parallelism
import Testing

@Suite struct ModelPartitionTests {
    /// The smallest possible cost of the dearest run, by trying every cut.
    private func best(_ costs: [Double], _ count: Int, first: Double, last: Double) -> Double {
        var costs = costs
        costs[0] += first
        costs[costs.count - 1] += last
        func visit(_ start: Int, _ left: Int) -> Double {
            if left == 1 { return costs[start...].reduce(0, +) }
            return (start + 1...costs.count - left + 1).map { end in
                max(costs[start..<end].reduce(0, +), visit(end, left - 1))
            }.min()!
        }
        return visit(0, count)
    }

    @Test func theDearestRunIsAsCheapAsItCanBe() {
        var seed: UInt64 = 7
        for blocks in 1...9 {
            for count in 1...blocks {
                let costs = (0..<blocks).map { _ in
                    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return Double(seed >> 60) + 1
                }
                for (first, last) in [(0.0, 0.0), (0.5, 6), (11, 2)] {
                    let ends = ModelPartition.cut(costs, into: count, first: first, last: last)
                    #expect(ends.count == count && ends.last == blocks)
                    #expect(zip([0] + ends, ends).allSatisfy { $0 < $1 })
                    var whole = costs
                    whole[0] += first
                    whole[blocks - 1] += last
                    let dearest = zip([0] + ends, ends).map { whole[$0..<$1].reduce(0, +) }.max()!
                    #expect(abs(dearest - best(costs, count, first: first, last: last)) < 1e-9)
                }
            }
        }
    }

    /// GPT-2 124M: the projection onto 50,257 tokens weighs as much as five blocks.
    @Test func theOutputProjectionTakesThePlaceOfBlocks() {
        let decoder = Decoder(
            ModelConfiguration(
                architecture: .gpt2, layers: 12, hiddenSize: 768, heads: 12, contextLength: 1024,
                vocabularySize: 50_257))
        let two = ModelPartition(decoder, parts: 2, sequenceLength: 1024)
        #expect(two.parts.map(\.blocks) == [0..<8, 8..<12])
        #expect(two.costs.max()! / two.costs.min()! < 1.15, "\(two.costs)")
        let four = ModelPartition(decoder, parts: 4, sequenceLength: 1024)
        #expect(four.parts.map(\.blocks.count).reduce(0, +) == 12)
        #expect(four.parts.last!.blocks.count == 1)
    }

    @Test func partsHoldEveryParameterOnceButTheTiedOne() {
        for tied in [true, false] {
            let decoder = Decoder(
                ModelConfiguration(
                    architecture: .gpt2, layers: 5, hiddenSize: 16, heads: 2, contextLength: 8, vocabularySize: 32,
                    tiedEmbeddings: tied))
            let partition = ModelPartition(decoder, parts: 4, sequenceLength: 8)
            let holders = partition.holders(of: decoder, stages: 2)
            #expect(holders.count == decoder.declarations.stacks.count)
            for (stack, stages) in zip(decoder.declarations.stacks, holders) {
                #expect(stages == (stack[0].name == "embedding.weight" && tied ? [0, 1] : stages))
                #expect(stages.count == (stack[0].name == "embedding.weight" && tied ? 2 : 1), "\(stack[0].name)")
            }
            let plan = ShardingPlan(tensorRank: 0, tensorSize: 1)
            let layouts = (0..<2).map {
                FlatLayout(decoder.declarations, plan: plan, holding: HeldParameters(holders, stage: $0))
            }
            let answered = layouts.flatMap(\.entries).filter { !$0.isCopy }.map(\.specification.name)
            #expect(Set(answered) == Set(decoder.declarations.specifications.map(\.name)))
            #expect(answered.count == Set(answered).count)
            #expect(layouts[1].entries.contains(where: \.isCopy) == tied)
        }
    }
}
