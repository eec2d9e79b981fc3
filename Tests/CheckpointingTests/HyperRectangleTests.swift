import Checkpointing
import Numerics
import Testing

@Suite struct HyperRectangleTests {
    /// Index of an element, given by its place in the whole tensor, inside a row-major box.
    private func index(_ place: [Int], in box: HyperRectangle) -> Int {
        zip(place, box.ranges).reduce(0) { $0 * $1.1.count + $1.0 - $1.1.lowerBound }
    }

    private func places(_ box: HyperRectangle) -> [[Int]] {
        box.ranges.reduce([[]]) { places, range in places.flatMap { place in range.map { place + [$0] } } }
    }

    @Test func runsVisitEveryCommonElementOnceInOrder() {
        var generator = SplitMix64(seed: 1)
        for _ in 0..<500 {
            let shape = (0..<Int.random(in: 0...4, using: &generator)).map { _ in
                Int.random(in: 1...5, using: &generator)
            }
            func randomBox() -> HyperRectangle {
                HyperRectangle(
                    shape.map { dimension in
                        // Whole dimensions often, since they are what joins runs.
                        if Bool.random(using: &generator) { return 0..<dimension }
                        let start = Int.random(in: 0..<dimension, using: &generator)
                        return start..<Int.random(in: start + 1...dimension, using: &generator)
                    })
            }
            let (source, destination) = (randomBox(), randomBox())
            guard let common = source.intersection(destination) else { continue }
            var found: [[Int]] = []
            common.forEachRun(from: source, to: destination) { from, to, count in
                for offset in 0..<count { found.append([from + offset, to + offset]) }
            }
            #expect(found == places(common).map { [index($0, in: source), index($0, in: destination)] })
        }
    }

    @Test func wholeBoxesAreOneRun() {
        let box = HyperRectangle([2..<5, 0..<7, 0..<3])
        var runs: [[Int]] = []
        box.forEachRun(from: HyperRectangle([0..<9, 0..<7, 0..<3]), to: box) { runs.append([$0, $1, $2]) }
        #expect(runs == [[42, 0, 63]])
    }

    @Test func countsRefuseWhatOverflows() {
        #expect(elementCount([]) == 1)
        #expect(elementCount([3, 0, 5]) == 0)
        #expect(elementCount([3, -1]) == nil)
        #expect(elementCount([1 << 40, 1 << 40]) == nil)
    }
}
