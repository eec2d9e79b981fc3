import Foundation
import Kernels
import Testing

@Suite("Exponential and sigmoid")
struct ExponentialTests {
    /// The error of `value` in units of the last place of the correctly rounded result.
    private func unitsInLastPlace(_ value: Float, _ exact: Double) -> Double {
        abs(Double(value) - exact) / Double(Float(exact).ulp)
    }

    @Test("exponential is within 2 units in the last place over its whole range")
    func exponentialAccuracy() {
        var worst = 0.0
        for step in 0...2_000_000 {
            let x = Float(-87.3 + 176.0 * Double(step) / 2_000_000)
            worst = max(worst, unitsInLastPlace(exponential(x), exp(Double(x))))
        }
        #expect(worst <= 2)
    }

    @Test("exponential of tiny arguments, zero and the ends of the range")
    func exponentialEdges() {
        #expect(exponential(0) == 1)
        #expect(exponential(-0.0) == 1)
        #expect(exponential(1e-30) == 1)
        #expect(exponential(-.infinity) <= .leastNormalMagnitude * 1.01)
        #expect(exponential(-1_000) > 0)
        #expect(exponential(.infinity).isFinite)
        #expect(exponential(88.722) > 3.3e38)
        #expect(exponential(.nan).isNaN)
    }

    @Test("sigmoid is within 4 units in the last place, and keeps NaN")
    func sigmoidAccuracy() {
        var worst = 0.0
        for step in 0...1_000_000 {
            let x = Float(-86 + 172.0 * Double(step) / 1_000_000)
            worst = max(worst, unitsInLastPlace(sigmoid(x), 1 / (1 + exp(-Double(x)))))
        }
        #expect(worst <= 4)
        #expect(sigmoid(0) == 0.5)
        #expect(sigmoid(.infinity) == 1)
        #expect(sigmoid(.nan).isNaN)
    }
}
