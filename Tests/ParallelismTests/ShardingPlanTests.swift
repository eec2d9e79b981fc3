import Models
import Parallelism
import Testing

@Suite struct ShardingPlanTests {
    private func parameter(_ shape: [Int], _ partition: ParameterSpecification.Partition) -> ParameterSpecification {
        ParameterSpecification(
            name: "p", shape: shape, partition: partition, initializer: .constant(0), isDecayed: true)
    }

    @Test(arguments: [(12, 1), (50_257, 1), (7, 1), (96, 16)], [1, 2, 3, 4])
    func slicesCoverTheWholeOnce(_ extent: (count: Int, granularity: Int), ranks: Int) {
        for dimension in 0...1 {
            var shape = [5, 5]
            shape[dimension] = extent.count
            let parameter = parameter(shape, .split(dimension: dimension, granularity: extent.granularity))
            var next = 0
            for rank in 0..<ranks {
                let slice = ShardingPlan(tensorRank: rank, tensorSize: ranks).slice(of: parameter)
                #expect(slice.ranges[dimension].lowerBound == next)
                #expect(slice.ranges[dimension].count % extent.granularity == 0)
                #expect(slice.ranges[1 - dimension] == 0..<5)
                next = slice.ranges[dimension].upperBound
            }
            #expect(next == extent.count)
        }
    }

    @Test func unevenSharesDifferByOneUnit() {
        let parameter = parameter([50_257, 8], .split(dimension: 0, granularity: 1))
        let shares = (0..<4).map { ShardingPlan(tensorRank: $0, tensorSize: 4).slice(of: parameter).ranges[0].count }
        #expect(shares.max()! - shares.min()! == 1)
    }

    @Test func aReplicatedParameterIsWholeEverywhere() {
        let plan = ShardingPlan(tensorRank: 1, tensorSize: 2)
        let norm = parameter([6], .replicated)
        #expect(plan.slice(of: norm).ranges == [0..<6])
        #expect(plan.isReplicated(norm))
        #expect(!plan.isReplicated(parameter([6, 2], .split(dimension: 0, granularity: 1))))
        #expect(
            ShardingPlan(tensorRank: 0, tensorSize: 1).isReplicated(
                parameter([6, 2], .split(dimension: 0, granularity: 1))))
    }
}
