import Parallelism
import Testing

@Suite struct GradientExchangeTests {
    @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 7, 100])
    func sharesCoverAllTilesInOrder(ranks: Int, tileCount: Int) {
        var tiles: [Range<Int>] = []
        for index in 0..<tileCount {
            let start = tiles.last?.upperBound ?? 0
            tiles.append(start..<start + 1 + index * 7 % 32)
        }
        let shares = GradientExchange.shares(of: tiles, count: ranks)
        #expect(shares.count == ranks)
        #expect(shares.flatMap { Array($0) } == Array(tiles.indices))
    }

    @Test func sharesHaveNearlyTheSameSize() {
        let tiles = (0..<1_000).map { $0 * 100..<$0 * 100 + ($0 % 5 == 0 ? 3 : 100) }
        let sizes = GradientExchange.shares(of: tiles, count: 7).map { share in
            share.reduce(0) { $0 + tiles[$1].count }
        }
        #expect(sizes.max()! - sizes.min()! <= 200)
    }
}
