import Autograd
import Numerics
import Testing

@Suite("Recomputation")
struct RecomputationTests {
    private static let rows = 9
    private static let columns = 24

    /// The gradients of an operator whose output is used by a linear, which may discard it in between.
    private func gradients(
        discards: Bool, _ build: (Tape, [Tensor]) -> Tensor
    ) -> (gradients: [[Float]], bytes: Int) {
        let inputs = ["x", "weight", "bias", "projection"].enumerated().map { index, name in
            let count = [Self.rows, Self.columns, 1, 7][index] * Self.columns
            return GradientCheck.randomValues(count, seed: 5, name: name)
        }
        return withTape { tape, bind in
            let tensors = zip(inputs, [Self.rows, Self.columns, 1, 7]).map { bind($0, $1) }
            tape.startGradients()
            let middle = build(tape, tensors)
            let result = tape.linear(middle, weight: tensors[3])
            if discards { tape.discardUntilBackward(middle) }
            let bytes = tape.arena.bytesInUse
            _ = tape.project(result, seed: 1)
            tape.backward()
            #expect(tape.arena.bytesInUse == 0)
            let gradients = tensors.prefix(3).filter(tape.hasGradient).map {
                Array(UnsafeBufferPointer(start: tape.gradient($0), count: $0.count))
            }
            return (gradients, bytes)
        }
    }

    @Test("what was discarded comes back with the same bits", arguments: ["layerNorm", "rmsNorm", "gelu", "alias"])
    func discardedOutputs(name: String) {
        func build(_ tape: Tape, _ inputs: [Tensor]) -> Tensor {
            switch name {
            case "layerNorm": tape.layerNorm(inputs[0], weight: inputs[2], bias: inputs[2], epsilon: 1e-5)
            case "rmsNorm": tape.rmsNorm(inputs[0], weight: inputs[2], epsilon: 1e-5)
            case "gelu": tape.linear(inputs[0], weight: inputs[1], bias: inputs[2], activation: .geluTanh)
            default: aliasOfNorm(tape, inputs)
            }
        }
        let (kept, discarded) = (gradients(discards: false, build), gradients(discards: true, build))
        #expect(kept.gradients == discarded.gradients)
        #expect(!kept.gradients.isEmpty)
        // Rows of 24 floats are whole cache lines only together with their neighbours.
        #expect(discarded.bytes == kept.bytes - (Self.rows * Self.columns * 4 + 63) / 64 * 64)
    }

    /// A tensor that shows a norm's output, as tensor-parallel regions make it.
    private func aliasOfNorm(_ tape: Tape, _ inputs: [Tensor]) -> Tensor {
        let norm = tape.rmsNorm(inputs[0], weight: inputs[2], epsilon: 1e-5)
        let mark = tape.mark()
        let alias = tape.makeAlias(of: norm)
        tape.record(Alias(x: norm, alias: alias), since: mark)
        return alias
    }

    private struct Alias: Operator {
        let x: Tensor
        let alias: Tensor
        func backward(on tape: Tape) { tape.passGradient(from: alias, to: x) }
    }

    @Test("SwiGLU's output is computed again")
    func swiGLU() {
        GradientCheck.check([(5, 32), (4, 16)]) { tape, inputs in
            let gated = tape.swiGLU(inputs[0])
            let result = tape.linear(gated, weight: inputs[1])
            tape.discardUntilBackward(gated)
            return result
        }
    }

    @Test("without recording a discarded value is gone for good")
    func withoutRecording() {
        withTape { tape, bind in
            let x = bind([1, 2, 3, 4], 1)
            tape.isRecording = false
            let norm = tape.rmsNorm(x, weight: x, epsilon: 1e-5)
            tape.discardUntilBackward(norm)
            #expect(tape.arena.bytesInUse == 0)
            // Discarding what is not the tape's own, or is gone, changes nothing.
            tape.discardUntilBackward(norm)
            tape.discardUntilBackward(x)
            #expect(tape.value(x)[3] == 4)
            tape.reset()
        }
    }

    /// Two linears that are run again in the backward pass.
    private struct Replayed: Operator {
        let inputs: [Tensor]
        let y: Tensor

        func backward(on tape: Tape) { tape.replay(output: y) { Self.forward(tape, inputs) } }

        static func forward(_ tape: Tape, _ inputs: [Tensor]) -> Tensor {
            let hidden = tape.linear(inputs[0], weight: inputs[1], activation: .geluTanh)
            return tape.linear(hidden, weight: inputs[2], residual: inputs[0])
        }
    }

    private func replayed(_ tape: Tape, _ inputs: [Tensor]) -> Tensor {
        let mark = tape.mark()
        let y = tape.withoutRecording { Replayed.forward(tape, inputs) }
        tape.record(Replayed(inputs: inputs, y: y), since: mark)
        return y
    }

    @Test("the gradients of a replayed stretch")
    func replayedGradients() { GradientCheck.check([(5, 8), (24, 8), (8, 24)], replayed) }

    @Test("a replayed stretch keeps its output alone, and gives the same bits")
    func replayedMemory() {
        let inputs = [(64, 32), (96, 32), (32, 96)].enumerated().map { index, shape in
            GradientCheck.randomValues(shape.0 * shape.1, seed: 2, name: "input \(index)")
        }
        /// Two stretches, the second on the output of the first.
        func run(_ stretch: (Tape, [Tensor]) -> Tensor) -> (gradients: [[Float]], bytes: Int) {
            var bytes = 0
            let gradients = TapeRun(threads: 2).run(inputs, rows: [64, 96, 32]) { tape, tensors in
                let y = stretch(tape, [stretch(tape, tensors), tensors[1], tensors[2]])
                bytes = tape.arena.bytesInUse
                return y
            }.gradients
            return (gradients, bytes)
        }
        let (kept, again) = (run(Replayed.forward), run(replayed))
        #expect(again.gradients == kept.gradients)
        #expect(again.bytes == 2 * 64 * 32 * 4)
        #expect(kept.bytes == 2 * (64 * 32 + 2 * 64 * 96) * 4)
    }
}
