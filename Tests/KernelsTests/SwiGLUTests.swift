import Foundation
import Kernels
import Testing

@Suite("SwiGLU kernels")
struct SwiGLUTests {
    @Test("match the formula in double precision", arguments: [1, 7, 16, 33, 200])
    func forwardAndBackward(columns: Int) {
        let rows = 2
        let gateUp: [Float] = (0..<rows * 2 * columns).map { index in Float((index * 37 + 5) % 101) / 8 - 6 }
        let dy: [Float] = (0..<rows * columns).map { index in Float((index * 53 + 2) % 97) / 50 - 1 }
        var y = [Float](repeating: .nan, count: dy.count)
        swiGLUForward(gateUp, into: &y, rows: rows, columns: columns)
        var gradient = [Float](repeating: .nan, count: gateUp.count)
        swiGLUBackward(dy, gateUp, into: &gradient, accumulates: false, rows: rows, columns: columns)
        var added = [Float](repeating: 1, count: gateUp.count)
        swiGLUBackward(dy, gateUp, into: &added, accumulates: true, rows: rows, columns: columns)
        for index in y.indices {
            let first = index / columns * 2 * columns + index % columns
            let (gate, up) = (Double(gateUp[first]), Double(gateUp[first + columns]))
            let s = 1 / (1 + exp(-gate))
            let slope: Double = s * (1 + gate * (1 - s))
            let gateGradient: Double = Double(dy[index]) * up * slope
            let upGradient: Double = Double(dy[index]) * gate * s
            expectClose(y[index], gate * s * up, tolerance: 1e-6 * max(1, abs(gate * up)))
            expectClose(gradient[first], gateGradient, tolerance: 1e-5)
            expectClose(gradient[first + columns], upGradient, tolerance: 1e-5)
            expectClose(added[first], gateGradient + 1, tolerance: 1e-5)
            expectClose(added[first + columns], upGradient + 1, tolerance: 1e-5)
        }
    }

    private func expectClose(
        _ found: Float, _ expected: Double, tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let difference: Double = abs(Double(found) - expected)
        #expect(difference <= tolerance, sourceLocation: sourceLocation)
    }
}
