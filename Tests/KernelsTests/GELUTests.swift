import Foundation
import Kernels
import Testing

@Suite("GELU kernels")
struct GELUTests {
    private func reference(_ x: Double) -> Double {
        x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    private func referenceDerivative(_ x: Double) -> Double {
        let scale = (2 / Double.pi).squareRoot()
        let t = tanh(scale * (x + 0.044715 * x * x * x))
        return (1 + t) / 2 + x / 2 * (1 - t * t) * scale * (1 + 3 * 0.044715 * x * x)
    }

    /// Sizes that leave every kind of remainder of a vector register.
    @Test("matches the formula in double precision", arguments: [1, 7, 16, 33, 1_000])
    func forwardAndBackward(count: Int) {
        let x = (0..<count).map { Float($0 - count / 2) * 20 / Float(count) }
        var y = [Float](repeating: .nan, count: count)
        geluTanh(x, into: &y, count: count)
        var inPlace = x
        geluTanh(inPlace: &inPlace, count: count)
        var gradient = [Float](repeating: 2, count: count)
        geluTanhBackward(&gradient, inputs: x, count: count)
        for i in 0..<count {
            let value = Double(x[i])
            #expect(abs(Double(y[i]) - reference(value)) <= 1e-6 * max(1, abs(value)))
            #expect(abs(Double(gradient[i]) - 2 * referenceDerivative(value)) <= 4e-6)
        }
        #expect(inPlace == y)
    }
}
