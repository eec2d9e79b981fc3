import Autograd
import Foundation
import Numerics
import Testing

@Suite struct LinearTests {
    /// Two sequences of three tokens; must outlive the tapes, so it is never freed.
    private static let samples = {
        let buffer = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 2)
        (buffer[0], buffer[1]) = (17, 1 << 40)
        return SendableSamples(buffer: UnsafeBufferPointer(buffer))
    }()

    private struct SendableSamples: @unchecked Sendable {
        let buffer: UnsafeBufferPointer<UInt64>
    }

    private static func dropout(probability: Float = 0.4, site: UInt32 = 3) -> Dropout {
        Dropout(probability: probability, seed: 5, site: site, sampleIndices: samples.buffer, sequenceLength: 3)
    }

    struct Options: Sendable, CustomStringConvertible {
        var bias = false
        var activation = Activation.none
        var dropout = false
        var residual = false

        var description: String { "bias \(bias), \(activation), dropout \(dropout), residual \(residual)" }

        static let all = [false, true].flatMap { bias in
            [Activation.none, .geluTanh].flatMap { activation in
                [false, true].flatMap { dropout in
                    [false, true].map {
                        Options(bias: bias, activation: activation, dropout: dropout, residual: $0)
                    }
                }
            }
        }
    }

    /// Inputs in the order x `[6, 5]`, weight `[7, 5]`, bias `[1, 7]`, residual `[6, 7]`.
    private func run(_ options: Options, _ tape: Tape, _ inputs: [Tensor]) -> Tensor {
        tape.linear(
            inputs[0], weight: inputs[1], bias: options.bias ? inputs[2] : nil, activation: options.activation,
            dropout: options.dropout ? Self.dropout() : nil, residual: options.residual ? inputs.last : nil)
    }

    @Test(arguments: Options.all)
    func gradients(_ options: Options) {
        var shapes = [(rows: 6, columns: 5), (rows: 7, columns: 5)]
        if options.bias { shapes.append((rows: 1, columns: 7)) }
        if options.residual { shapes.append((rows: 6, columns: 7)) }
        GradientCheck.check(shapes, scale: 0.7) { run(options, $0, $1) }
    }

    @Test func gradientsWhereTheInputIsTheResidual() {
        GradientCheck.check([(rows: 6, columns: 5), (rows: 5, columns: 5)]) { tape, inputs in
            tape.linear(inputs[0], weight: inputs[1], dropout: Self.dropout(), residual: inputs[0])
        }
    }

    @Test func gradientsWhereAWeightIsUsedTwice() {
        GradientCheck.check([(rows: 4, columns: 5), (rows: 5, columns: 5)], scale: 0.5) { tape, inputs in
            tape.linear(tape.linear(inputs[0], weight: inputs[1]), weight: inputs[1], activation: .geluTanh)
        }
    }

    /// Against plain sums in double precision, on shapes that fill several tiles, whole and not.
    @Test(arguments: [(1, 3, 4), (6, 17, 33), (64, 16, 16), (131, 70, 259), (300, 96, 1100)])
    func values(rows: Int, inputs: Int, outputs: Int) {
        let x = GradientCheck.randomValues(rows * inputs, seed: 1, name: "x")
        let weight = GradientCheck.randomValues(outputs * inputs, seed: 1, name: "weight")
        let bias = GradientCheck.randomValues(outputs, seed: 1, name: "bias")
        let residual = GradientCheck.randomValues(rows * outputs, seed: 1, name: "residual")
        for isRecording in [true, false] {
            let found = withTape { tape, bind in
                tape.isRecording = isRecording
                let y = tape.linear(
                    bind(x, rows), weight: bind(weight, outputs), bias: bind(bias, 1), activation: .geluTanh,
                    residual: bind(residual, rows))
                return Array(UnsafeBufferPointer(start: tape.value(y), count: y.count))
            }
            var worst = 0.0
            for row in 0..<rows {
                for output in 0..<outputs {
                    let sum = (0..<inputs).reduce(Double(bias[output])) {
                        $0 + Double(x[row * inputs + $1]) * Double(weight[output * inputs + $1])
                    }
                    let expected = gelu(sum) + Double(residual[row * outputs + output])
                    worst = max(worst, abs(Double(found[row * outputs + output]) - expected))
                }
            }
            #expect(worst < 2e-5)
        }
    }

    /// The steps that a linear fuses, one operator each, must give the same numbers.
    @Test func fusedStepsAreThoseOfTheSingleOperators() {
        let x = GradientCheck.randomValues(6 * 150, seed: 1, name: "x")
        let weight = GradientCheck.randomValues(300 * 150, seed: 1, name: "weight")
        let bias = GradientCheck.randomValues(300, seed: 1, name: "bias")
        let residual = GradientCheck.randomValues(6 * 300, seed: 1, name: "residual")
        let (fused, inSteps, afterwards) = withTape { tape, bind in
            let (x, weight, bias, residual) = (bind(x, 6), bind(weight, 300), bind(bias, 1), bind(residual, 6))
            let fused = tape.linear(x, weight: weight, bias: bias, dropout: Self.dropout(), residual: residual)
            let biased = tape.dropout(tape.linear(x, weight: weight, bias: bias), Self.dropout())
            let inSteps = tape.addBiasResidual(biased, bias: nil, dropout: nil, residual: residual)
            let afterwards = tape.addBiasResidual(
                tape.linear(x, weight: weight), bias: bias, dropout: Self.dropout(), residual: residual)
            func values(_ y: Tensor) -> [Float] { Array(UnsafeBufferPointer(start: tape.value(y), count: y.count)) }
            return (values(fused), values(inSteps), values(afterwards))
        }
        #expect(fused == inSteps)
        #expect(fused == afterwards)
    }

    @Test func everyThreadCountGivesTheSameBits() {
        let (rows, inputs, outputs) = (6, 130, 700)
        func run(_ threads: Int) -> [[Float]] {
            let x = GradientCheck.randomValues(rows * inputs, seed: 1, name: "x")
            let weight = GradientCheck.randomValues(outputs * inputs, seed: 1, name: "weight")
            return withTape(threads: threads) { tape, bind in
                let (x, weight) = (bind(x, rows), bind(weight, outputs))
                tape.startGradients()
                let y = tape.linear(x, weight: weight, activation: .geluTanh, dropout: Self.dropout())
                let values = Array(UnsafeBufferPointer(start: tape.value(y), count: y.count))
                _ = tape.project(y, seed: 1)
                tape.backward()
                return [values]
                    + [x, weight].map { Array(UnsafeBufferPointer(start: tape.gradient($0)!, count: $0.count)) }
            }
        }
        let alone = run(1)
        for threads in [2, 3, 4] {
            let isSame = run(threads) == alone
            #expect(isSame, "\(threads) threads")
        }
    }

    private func gelu(_ x: Double) -> Double {
        x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
}

@Suite struct AddBiasResidualTests {
    @Test(arguments: [false, true], [false, true])
    func gradients(hasBias: Bool, drops: Bool) {
        let samples: [UInt64] = [3, 4]
        samples.withUnsafeBufferPointer { samples in
            let dropout = Dropout(probability: 0.3, seed: 1, site: 2, sampleIndices: samples, sequenceLength: 2)
            var shapes = [(rows: 4, columns: 9), (rows: 4, columns: 9)]
            if hasBias { shapes.append((rows: 1, columns: 9)) }
            GradientCheck.check(shapes) { tape, inputs in
                tape.addBiasResidual(
                    inputs[0], bias: hasBias ? inputs[2] : nil, dropout: drops ? dropout : nil, residual: inputs[1])
            }
        }
    }
}
