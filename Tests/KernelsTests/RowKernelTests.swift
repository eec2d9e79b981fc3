import Foundation
import Kernels
import Numerics
import Testing

@Suite struct RowKernelTests {
    private func random(_ count: Int, _ name: String, scale: Float = 1) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            CounterRandom(seed: 1, name: name).fillNormal(.init(rebasing: buffer[..<count]), standardDeviation: scale)
            initialized = count
        }
    }

    /// Lengths that leave every kind of remainder, and one beyond the blocks of the sum.
    @Test(arguments: [0, 1, 15, 33, 1024, 1025, 50_257])
    func exponentials(count: Int) {
        var x = random(count, "x", scale: 5)
        let expected = x.map { exp(Double($0) - 12) }
        let sum = exponentiate(&x, count: count, minus: 12)
        #expect(zip(x, expected).allSatisfy { abs(Double($0) - $1) <= 2e-6 * $1 })
        let total = expected.reduce(0, +)
        #expect(abs(Double(sum) - total) <= 1e-6 * total)
    }

    @Test(arguments: [0, 1, 7, 16, 100])
    func sumsAndProducts(count: Int) {
        let (x, factors) = (random(count, "x"), random(count, "factors"))
        var sums = factors
        add(x, to: &sums, count: count)
        #expect(sums == zip(x, factors).map { $0 + $1 })
        var products = x
        multiply(&products, by: factors, count: count)
        #expect(products == zip(x, factors).map { $0 * $1 })
        var written = [Float](repeating: .nan, count: count)
        multiply(x, by: factors, into: &written, count: count)
        #expect(written == products)
    }
}
