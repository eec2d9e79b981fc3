import Collectives
import Optimization
import Parallelism

/// The sum of squares of a model's gradient whose parameters are shared out over pipeline stages.
///
/// Tiles are those of the whole model, and their sums are added in its order, so that the bits do not depend on the
/// number of stages.
final class PipelineNorm {
    private let local: GradientNorm
    private let stages: any Communicator
    private let partialSums: UnsafeMutableBufferPointer<Double>
    /// Of all stages; empty where there is but one.
    private let allSums: UnsafeMutableBufferPointer<Double>
    /// For each local tile its number in the whole model.
    private let numbers: [Int]

    /// The tiles of this rank's parameters. Parts of split parameters add up over tensor-parallel ranks; replicated
    /// parameters, and those that another stage answers for, must count once.
    static func tiles(of layout: FlatLayout, tensorRank: Int) -> [GradientNorm.Segment] {
        GradientNorm.tiles(
            of: layout.entries.map {
                .init(range: $0.range, isCounted: (!$0.isReplicated || tensorRank == 0) && !$0.isCopy)
            })
    }

    /// - Parameters:
    ///   - tiles: Of `layout`, this stage's.
    ///   - whole: That of a rank with all parameters.
    init(
        tiles: [GradientNorm.Segment], partialSums: UnsafeMutableBufferPointer<Double>, of layout: FlatLayout,
        whole: FlatLayout, over stages: any Communicator
    ) {
        local = GradientNorm(tiles: tiles, partialSums: partialSums)
        self.partialSums = partialSums
        self.stages = stages
        func counts(_ layout: FlatLayout) -> [Int] {
            layout.entries.map { GradientNorm.tiles(of: [.init(range: $0.range, isCounted: true)]).count }
        }
        var (first, firsts) = (0, [String: Int]())
        for (entry, count) in zip(whole.entries, counts(whole)) {
            firsts[entry.specification.name] = first
            first += count
        }
        numbers = zip(layout.entries, counts(layout)).flatMap { entry, count in
            (0..<count).map { firsts[entry.specification.name]! + $0 }
        }
        allSums = .allocate(capacity: stages.size > 1 ? first : 0)
    }

    deinit { allSums.deallocate() }

    var tiles: [GradientNorm.Segment] { local.tiles }

    /// Takes one tile's squares from `gradients`, the whole buffer's beginning.
    func addTile(_ index: Int, of gradients: UnsafePointer<Float>) { local.addTile(index, of: gradients) }

    /// The sum over all tiles of all stages, as they were last taken. Collective over the stages.
    var sumOfSquares: Double {
        guard stages.size > 1 else { return local.sumOfSquares }
        allSums.update(repeating: 0)
        for (tile, number) in numbers.enumerated() where local.tiles[tile].isCounted {
            allSums[number] = partialSums[tile]
        }
        stages.allReduce(allSums, .sum, label: "gradient norm of the stages")
        return allSums.reduce(0, +)
    }
}
