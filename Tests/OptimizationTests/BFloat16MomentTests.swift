import Foundation
import Numerics
import Optimization
import Testing

@Suite struct BFloat16MomentTests {
    private static let count = 40_000

    private func configuration(beta2: Float = 0.95, _ precision: MomentPrecision = .bfloat16) -> OptimizerConfiguration
    {
        var configuration = OptimizerConfiguration()
        configuration.beta2 = beta2
        configuration.momentPrecision = precision
        configuration.gradientClip = 0
        return configuration
    }

    /// Two parameters, the second of which does not begin at a multiple of anything.
    private func segments(_ share: Range<Int> = 0..<count) -> [AdamW.Segment] {
        [
            AdamW.Segment(range: (0..<17_001).clamped(to: share), isDecayed: true, parameter: 0, parameterStart: 0),
            AdamW.Segment(
                range: (17_008..<Self.count).clamped(to: share), isDecayed: false, parameter: 1, parameterStart: 17_008),
        ]
    }

    private func numbers(salt: Int, scale: Float = 1) -> [Float] {
        (0..<Self.count).map { scale * Float(sin(Double($0 * 7 + salt) * 12.9898)) }
    }

    private func run(_ optimizers: [AdamW], steps: ClosedRange<Int>, threads: Int, _ values: inout [Float]) {
        let pool = ThreadPool(threadCount: threads)
        for step in steps {
            let gradients = numbers(salt: 100 + step)
            values.withUnsafeMutableBufferPointer { values in
                for optimizer in optimizers {
                    optimizer.update(
                        values: values, gradients: gradients, step: step, learningRate: 0.01, gradientNorm: 1,
                        pool: pool)
                }
            }
        }
    }

    private func updated(_ precision: MomentPrecision, threads: Int) -> [Float] {
        var values = numbers(salt: 1)
        let optimizer = AdamW(configuration(precision), count: Self.count, segments: segments())
        run([optimizer], steps: 1...5, threads: threads, &values)
        return values
    }

    @Test func staysCloseToSinglePrecision() {
        let (found, expected) = (updated(.bfloat16, threads: 2), updated(.float32, threads: 2))
        let worst = zip(found, expected).map { abs($0 - $1) }.max()!
        // Five updates of at most about 0.01 each, by moments with a relative error below 2⁻⁸ each.
        #expect(worst > 0 && worst < 5 * 0.01 * 0.02)
    }

    @Test func sameBitsForAnyThreadCount() {
        let one = updated(.bfloat16, threads: 1)
        #expect(one == updated(.bfloat16, threads: 2))
        #expect(one == updated(.bfloat16, threads: 4))
    }

    /// Ranks that have values and moments in common and each update a part of them.
    @Test func sharesMakeUpTheWhole() {
        let bytes = AdamW.momentBytes(count: Self.count, .bfloat16)
        #expect(bytes == 4 * Self.count)
        let moments = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
        defer { moments.deallocate() }
        moments.initializeMemory(as: UInt8.self, repeating: 0)
        let optimizers = [0..<20_003, 20_003..<Self.count].map {
            AdamW(configuration(), count: Self.count, segments: segments($0), moments: moments)
        }
        var values = numbers(salt: 1)
        run(optimizers, steps: 1...5, threads: 1, &values)
        #expect(values == updated(.bfloat16, threads: 1))
    }

    /// A parameter that is somewhere else in the flat buffers is rounded the same way.
    @Test func roundingDependsOnTheElementsPlaceInItsParameter() {
        func moment(start: Int) -> [UInt16] {
            let segment = AdamW.Segment(
                range: start..<start + 1_000, isDecayed: false, parameter: 3, parameterStart: start)
            let optimizer = AdamW(configuration(), count: Self.count, segments: [segment])
            var values = [Float](repeating: 0, count: Self.count)
            let gradients = (0..<Self.count).map { 1 + Float($0 - start) / 999 }
            values.withUnsafeMutableBufferPointer {
                optimizer.update(
                    values: $0, gradients: gradients, step: 1, learningRate: 0.01, gradientNorm: 1,
                    pool: ThreadPool(threadCount: 1))
            }
            guard case .bfloat16(let bits) = optimizer.secondMoment else { return [] }
            return Array(bits[start..<start + 1_000])
        }
        #expect(moment(start: 0) == moment(start: 16_400))
        #expect(moment(start: 0).count == 1_000)
    }

    /// With β₂ = 0.999 a step changes the second moment by less than half the distance to the next bfloat16: rounding to
    /// the nearest would keep it where it is when gradients become smaller.
    @Test func theSecondMomentFollowsSmallerGradients() {
        let optimizer = AdamW(configuration(beta2: 0.999), count: Self.count, segments: segments())
        var values = [Float](repeating: 0, count: Self.count)
        let pool = ThreadPool(threadCount: 2)
        var expected = 0.0
        for step in 1...1_500 {
            let gradient: Float = step <= 500 ? 1 : 0.1
            expected = 0.999 * expected + 0.001 * Double(gradient * gradient)
            let gradients = [Float](repeating: gradient, count: Self.count)
            values.withUnsafeMutableBufferPointer {
                optimizer.update(
                    values: $0, gradients: gradients, step: step, learningRate: 0, gradientNorm: 1, pool: pool)
            }
        }
        guard case .bfloat16(let bits) = optimizer.secondMoment else {
            Issue.record("the moments are not in bfloat16")
            return
        }
        let mean = bits[0..<17_001].reduce(0) { $0 + Double(BFloat16.widen($1)) } / 17_001
        #expect(abs(mean / expected - 1) < 0.01)
    }
}
