import Foundation
import Numerics
import Testing

@Suite struct CounterRandomTests {
    private let random = CounterRandom(seed: 42, name: "blocks.0.attention.query.weight")

    private func normals(_ random: CounterRandom, _ range: Range<Int>, pool: ThreadPool? = nil) -> [Float] {
        [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
            random.fillNormal(
                .init(rebasing: buffer[..<range.count]), firstElement: range.lowerBound, mean: 0.5,
                standardDeviation: 2, pool: pool)
            count = range.count
        }
    }

    private func uniforms(_ range: Range<Int>) -> [Float] {
        [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
            random.fillUniform(
                .init(rebasing: buffer[..<range.count]), firstElement: range.lowerBound, in: -1..<3)
            count = range.count
        }
    }

    @Test func anySliceGetsTheNumbersOfTheWhole() {
        let whole = normals(random, 0..<5000)
        let wholeUniform = uniforms(0..<5000)
        for range in [0..<1, 255..<257, 256..<512, 1000..<4001, 4999..<5000, 7..<7] {
            #expect(normals(random, range) == Array(whole[range]))
            #expect(uniforms(range) == Array(wholeUniform[range]))
        }
    }

    @Test func threadsDoNotMatter() {
        let alone = normals(random, 3..<300_000)
        for threads in [1, 2, 4] {
            let isSame = normals(random, 3..<300_000, pool: ThreadPool(threadCount: threads)) == alone
            #expect(isSame, "\(threads) threads")
        }
    }

    @Test func seedAndNameBothMatter() {
        let here = normals(random, 0..<64)
        #expect(here != normals(CounterRandom(seed: 43, name: "blocks.0.attention.query.weight"), 0..<64))
        #expect(here != normals(CounterRandom(seed: 42, name: "blocks.1.attention.query.weight"), 0..<64))
    }

    @Test func normalNumbersHaveTheMomentsAndTailsOfTheNormalDistribution() {
        let count = 1_000_000
        let z = normals(random, 0..<count).map { (Double($0) - 0.5) / 2 }
        func moment(_ power: Double) -> Double { z.reduce(0) { $0 + pow($1, power) } / Double(count) }
        // Bounds are five standard errors: √(Var zᵏ / count).
        #expect(abs(moment(1)) < 0.005)
        #expect(abs(moment(2) - 1) < 0.007)
        #expect(abs(moment(3)) < 0.02)
        #expect(abs(moment(4) - 3) < 0.05)
        for limit in [0.5, 1, 2, 3] {
            let expected = erfc(limit / 2.0.squareRoot())
            let found = Double(z.count { abs($0) > limit }) / Double(count)
            #expect(abs(found - expected) < 5 * (expected * (1 - expected) / Double(count)).squareRoot())
        }
        // Neighbours in a group and numbers that share a radius are uncorrelated.
        for lag in [1, 64, 128] {
            let products = zip(z, z.dropFirst(lag)).reduce(0) { $0 + $1.0 * $1.1 } / Double(count)
            #expect(abs(products) < 0.005)
        }
    }

    /// The polynomials against the C library in double precision, from the same random words.
    @Test func normalNumbersAreAccurate() {
        let seed: UInt64 = 42
        let hash = "w".utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        var found = [Float](repeating: 0, count: 256)
        found.withUnsafeMutableBufferPointer { CounterRandom(seed: seed, name: "w").fillNormal($0) }
        for block in 0..<64 {
            let words = Philox.block(
                key: (42, 0), counter: (UInt32(block), 0, UInt32(truncatingIfNeeded: hash), UInt32(hash >> 32)))
            for (half, pair) in [(words.0, words.1), (words.2, words.3)].enumerated() {
                let radius = (-2 * log((Double(pair.0 >> 1) + 0.5) / 0x1p31)).squareRoot()
                let angle = 2 * Double.pi * Double(pair.1) / 0x1p32
                #expect(abs(Double(found[half * 128 + block]) - radius * cos(angle)) < 1e-6)
                #expect(abs(Double(found[half * 128 + 64 + block]) - radius * sin(angle)) < 1e-6)
            }
        }
    }

    @Test func uniformNumbersFillTheirRange() {
        let numbers = uniforms(0..<100_000)
        #expect(numbers.allSatisfy { $0 >= -1 && $0 < 3 })
        #expect(abs(numbers.reduce(0) { $0 + Double($1) } / 100_000 - 1) < 0.02)
        #expect(numbers.min()! < -0.999 && numbers.max()! > 2.999)
    }
}
