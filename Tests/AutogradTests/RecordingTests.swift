import Autograd
import Testing

/// Several forward passes under way, and gradients of weights that come later.
@Suite struct RecordingTests {
    private static let rows = 6
    private static let width = 8

    /// A layer with everything that has a gradient: a norm, linears with bias, activation and residual.
    private func layer(_ tape: Tape, _ x: Tensor, _ parameters: [Tensor]) -> Tensor {
        let norm = tape.layerNorm(x, weight: parameters[2], bias: parameters[3], epsilon: 1e-5)
        let hidden = tape.linear(norm, weight: parameters[0], bias: parameters[3], activation: .geluTanh)
        tape.discardUntilBackward(norm)
        let y = tape.linear(hidden, weight: parameters[1], bias: parameters[2], residual: x)
        // No residual, no bias: the gradient of the sums is that of the output itself.
        let z = tape.linear(y, weight: parameters[1], residual: y)
        return tape.linear(z, weight: parameters[0])
    }

    private func values(_ count: Int, _ name: String) -> [Float] {
        GradientCheck.randomValues(count, seed: 3, name: name)
    }

    /// Gradients of parameters and inputs of three micro-batches that run in a certain way.
    private func gradients(
        _ run: (_ tape: Tape, _ forward: (Int) -> (input: Tensor, output: Tensor), _ begin: (Int, Tensor) -> Void)
            -> [UnsafeMutablePointer<Float>]
    ) -> [[Float]] {
        withTape { tape, bind in
            let width = Self.width
            let parameters = [
                bind(values(width * width, "first"), width), bind(values(width * width, "second"), width),
                bind(values(width, "weight"), 1), bind(values(width, "bias"), 1),
            ]
            tape.startGradients()
            let count = Self.rows * width
            func forward(_ index: Int) -> (input: Tensor, output: Tensor) {
                let memory = tape.arena.allocate(count)
                memory.update(from: values(count, "input \(index)"), count: count)
                let x = tape.adoptTensor(memory, rows: Self.rows, columns: width)
                return (x, layer(tape, x, parameters))
            }
            func begin(_ index: Int, _ output: Tensor) {
                let memory = tape.arena.allocate(count)
                memory.update(from: values(count, "gradient \(index)"), count: count)
                tape.giveGradient(memory, to: output)
            }
            let inputs = run(tape, forward, begin)
            var all = parameters.map { Array(UnsafeBufferPointer(start: tape.gradient($0)!, count: $0.count)) }
            for input in inputs {
                all.append(Array(UnsafeBufferPointer(start: input, count: count)))
                tape.arena.release(input, count: count)
            }
            #expect(tape.arena.bytesInUse == 0)
            return all
        }
    }

    private var oneAfterTheOther: [[Float]] {
        gradients { tape, forward, begin in
            (0..<3).map { index in
                let (input, output) = forward(index)
                begin(index, output)
                return tape.backward(takingGradientOf: input)!
            }
        }
    }

    @Test func forwardPassesPutAsideComeBack() {
        let together = gradients { tape, forward, begin in
            var (passes, recordings) = ([(input: Tensor, output: Tensor)](), [Recording]())
            for index in 0..<3 {
                passes.append(forward(index))
                recordings.append(Recording())
                tape.exchangeRecording(with: recordings[index])
            }
            return (0..<3).map { index in
                tape.exchangeRecording(with: recordings[index])
                begin(index, passes[index].output)
                return tape.backward(takingGradientOf: passes[index].input)!
            }
        }
        #expect(together == oneAfterTheOther)
    }

    @Test func gradientsOfWeightsMayComeLater() {
        let later = gradients { tape, forward, begin in
            var lists = [DeferredGradients]()
            let inputs = (0..<3).map { index in
                let (input, output) = forward(index)
                begin(index, output)
                lists.append(DeferredGradients())
                tape.deferral = lists[index]
                defer { tape.deferral = nil }
                return tape.backward(takingGradientOf: input)!
            }
            for list in lists {
                #expect(!list.isEmpty)
                tape.run(list)
                #expect(list.isEmpty)
            }
            return inputs
        }
        #expect(later == oneAfterTheOther)
    }

    @Test func aRecordingThatNeverRunsBackwardEndsItsOperators() {
        final class Witness {}
        struct Idle: Operator {
            let witness: Witness
            func backward(on tape: Tape) {}
        }
        weak var seen: Witness?
        withTape { tape, _ in
            var recording: Recording? = Recording()
            do {
                let witness = Witness()
                seen = witness
                let mark = tape.mark()
                tape.record(Idle(witness: witness), since: mark)
            }
            tape.exchangeRecording(with: recording!)
            #expect(seen != nil)
            recording = nil
            #expect(seen == nil)
        }
    }
}
