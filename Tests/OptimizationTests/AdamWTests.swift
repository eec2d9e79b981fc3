import Foundation
import Numerics
import Optimization
import Testing

@Suite struct AdamWTests {
    private static let count = 40_000
    private static let segments = [
        AdamW.Segment(range: 0..<17_001, isDecayed: true), AdamW.Segment(range: 17_008..<39_999, isDecayed: false),
    ]

    private func configuration() -> OptimizerConfiguration {
        var configuration = OptimizerConfiguration()
        configuration.weightDecay = 0.1
        configuration.gradientClip = 1
        return configuration
    }

    /// Deterministic numbers in -1...1 without a generator that the code under test uses too.
    private func numbers(_ count: Int, salt: Int) -> [Float] {
        (0..<count).map { Float(sin(Double($0 * 7 + salt) * 12.9898)) }
    }

    private func updated(threads: Int, steps: Int, gradientNorm: Float) -> [Float] {
        let pool = ThreadPool(threadCount: threads)
        let optimizer = AdamW(configuration(), count: Self.count, segments: Self.segments)
        var values = numbers(Self.count, salt: 1)
        for step in 1...steps {
            var gradients = numbers(Self.count, salt: 100 + step)
            values.withUnsafeMutableBufferPointer { values in
                gradients.withUnsafeMutableBufferPointer { gradients in
                    optimizer.update(
                        values: values, gradients: gradients.baseAddress!, step: step, learningRate: 0.01,
                        gradientNorm: gradientNorm, pool: pool)
                }
            }
        }
        return values
    }

    /// Algorithm 2 of Loshchilov & Hutter 2019 in double precision.
    private func reference(steps: Int, gradientNorm: Double) -> [Double] {
        var values = numbers(Self.count, salt: 1).map(Double.init)
        var first = [Double](repeating: 0, count: Self.count)
        var second = first
        let scale = min(1, 1 / (gradientNorm + 1e-6))
        for step in 1...steps {
            let gradients = numbers(Self.count, salt: 100 + step)
            for segment in Self.segments {
                for index in segment.range {
                    let gradient = Double(gradients[index]) * scale
                    first[index] = 0.9 * first[index] + 0.1 * gradient
                    second[index] = 0.95 * second[index] + 0.05 * gradient * gradient
                    if segment.isDecayed { values[index] -= 0.01 * 0.1 * values[index] }
                    values[index] -=
                        0.01 * (first[index] / (1 - pow(0.9, Double(step))))
                        / ((second[index] / (1 - pow(0.95, Double(step)))).squareRoot() + 1e-8)
                }
            }
        }
        return values
    }

    @Test(arguments: [Float(0.5), 4])
    func matchesTheAlgorithmInDoublePrecision(_ gradientNorm: Float) {
        let found = updated(threads: 2, steps: 5, gradientNorm: gradientNorm)
        let expected = reference(steps: 5, gradientNorm: Double(gradientNorm))
        let worst = zip(found, expected).map { abs(Double($0) - $1) }.max()!
        #expect(worst < 2e-6)
    }

    @Test func sameBitsForAnyThreadCount() {
        let one = updated(threads: 1, steps: 3, gradientNorm: 2)
        #expect(one == updated(threads: 2, steps: 3, gradientNorm: 2))
        #expect(one == updated(threads: 4, steps: 3, gradientNorm: 2))
    }

    @Test func elementsOutsideTheSegmentsStay() {
        let before = numbers(Self.count, salt: 1)
        let after = updated(threads: 2, steps: 2, gradientNorm: 1)
        #expect(before[17_001..<17_008] == after[17_001..<17_008])
        #expect(before[39_999] == after[39_999])
    }

    @Test(arguments: [[0..<40_000], [0..<1], [3..<35, 40..<1_063, 2_000..<39_999]])
    func sumOfSquares(_ ranges: [Range<Int>]) {
        var values = numbers(Self.count, salt: 5)
        let expected = ranges.joined().reduce(0.0) { $0 + Double(values[$1]) * Double(values[$1]) }
        let sums = [1, 2, 4].map { threads in
            values.withUnsafeMutableBufferPointer {
                GradientNorm(ranges: ranges).sumOfSquares($0, pool: ThreadPool(threadCount: threads))
            }
        }
        #expect(abs(sums[0] - expected) < 1e-6 * expected)
        #expect(sums[0] == sums[1] && sums[0] == sums[2])
    }

    /// Ranks that have values and moments in common and each update a part of them.
    @Test func sharesMakeUpTheWhole() {
        let pool = ThreadPool(threadCount: 1)
        let moments = UnsafeMutableRawBufferPointer.allocate(
            byteCount: AdamW.momentBytes(count: Self.count), alignment: 64)
        defer { moments.deallocate() }
        moments.initializeMemory(as: Float.self, repeating: 0)
        let optimizers = [0..<20_000, 20_000..<Self.count].map { share in
            AdamW(
                configuration(), count: Self.count,
                segments: Self.segments.map {
                    .init(range: $0.range.clamped(to: share), isDecayed: $0.isDecayed)
                }, moments: moments)
        }
        var values = numbers(Self.count, salt: 1)
        for step in 1...3 {
            let gradients = numbers(Self.count, salt: 100 + step)
            values.withUnsafeMutableBufferPointer { values in
                gradients.withUnsafeBufferPointer { gradients in
                    for optimizer in optimizers {
                        optimizer.update(
                            values: values, gradients: gradients.baseAddress!, step: step, learningRate: 0.01,
                            gradientNorm: 2, pool: pool)
                    }
                }
            }
        }
        #expect(values == updated(threads: 1, steps: 3, gradientNorm: 2))
    }

    @Test func tilesOfTheNormAddUpInOrderWhoeverTakesThem() {
        let segments = [
            GradientNorm.Segment(range: 0..<17_001, isCounted: true), .init(range: 17_008..<20_000, isCounted: false),
            .init(range: 20_000..<Self.count, isCounted: true),
        ]
        let tiles = GradientNorm.tiles(of: segments)
        let sums = UnsafeMutableBufferPointer<Double>.allocate(capacity: tiles.count)
        defer { sums.deallocate() }
        sums.initialize(repeating: 0)
        let ranks = (0..<2).map { _ in GradientNorm(tiles: tiles, partialSums: sums) }
        var values = numbers(Self.count, salt: 5)
        values.withUnsafeMutableBufferPointer { values in
            for tile in tiles.indices.reversed() { ranks[tile % 2].addTile(tile, of: values.baseAddress!) }
            let whole = GradientNorm(ranges: [segments[0].range, segments[2].range])
            #expect(ranks[0].sumOfSquares == whole.sumOfSquares(values, pool: ThreadPool(threadCount: 2)))
        }
    }
}
