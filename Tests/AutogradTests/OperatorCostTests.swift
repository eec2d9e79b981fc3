import Autograd
import Foundation
import Numerics
import TestSupport
import Testing

/// Costs as profiles record them, against formulas; see `ProfilerTests` for why the tests take turns.
@Suite(.serialized) struct OperatorCostTests {
    private struct Spans {
        var forward: [Trace.Event]
        var backward: [Trace.Event]
    }

    /// Records an operator with inputs of the given sizes, forward and backward.
    private func record(
        _ name: String, _ sizes: [(rows: Int, columns: Int)], _ operation: (Tape, [Tensor]) -> Tensor?
    ) throws -> Spans {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        Profiler.start(Trace())
        withTape { tape, bind in
            let inputs = sizes.map { bind([Float](repeating: 0.5, count: $0.rows * $0.columns), $0.rows) }
            tape.startGradients()
            if let y = operation(tape, inputs) { _ = tape.project(y, seed: 1) }
            tape.backward()
        }
        let trace = try #require(Profiler.stop())
        let events = trace.events.filter { $0.thread == UInt(pthread_self()) && "\($0.name)" == name }
        return Spans(
            forward: events.filter { $0.kind == .forward }, backward: events.filter { $0.kind == .backward })
    }

    @Test func linear() throws {
        let (n, inputs, outputs) = (6, 10, 14)
        let spans = try record("linear", [(n, inputs), (outputs, inputs), (1, outputs)]) { tape, x in
            tape.linear(x[0], weight: x[1], bias: x[2], activation: .geluTanh)
        }
        let (forward, backward) = (try #require(spans.forward.first), try #require(spans.backward.first))
        #expect(spans.forward.count == 1 && spans.backward.count == 1)
        #expect(forward.shape == Trace.Shape(rows: n, inputs: inputs, outputs: outputs))
        #expect(forward.work.operations == Double(2 * n * inputs * outputs))
        #expect(backward.work.operations == Double(4 * n * inputs * outputs))
        // x, W, the activation's inputs and y.
        #expect(forward.work.bytes == Double(4 * (n * inputs + inputs * outputs + 2 * n * outputs)))
        let memory = try #require(forward.memory)
        #expect(memory.inUse >= 4 * 2 * n * outputs && memory.reserved >= memory.inUse)
    }

    @Test func aLinearWhoseInputNeedsNoGradientCostsLessBackwards() throws {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        let (n, inputs, outputs) = (6, 10, 14)
        let values = UnsafeMutablePointer<Float>.allocate(capacity: n * inputs)
        defer { values.deallocate() }
        values.initialize(repeating: 1, count: n * inputs)
        Profiler.start(Trace())
        withTape { tape, bind in
            let x = tape.bind(values, rows: n, columns: inputs)
            let weight = bind([Float](repeating: 1, count: inputs * outputs), outputs)
            tape.startGradients()
            _ = tape.project(tape.linear(x, weight: weight), seed: 1)
            tape.backward()
        }
        let trace = try #require(Profiler.stop())
        let backward = trace.events.first {
            $0.thread == UInt(pthread_self()) && $0.kind == .backward && "\($0.name)" == "linear"
        }
        #expect(backward?.work.operations == Double(2 * n * inputs * outputs))
    }

    @Test func attentionIsCausal() throws {
        let shape = AttentionShape(batch: 2, sequence: 5, heads: 4, keyValueHeads: 2, headSize: 8)
        let spans = try record("causal attention", [(10, shape.inputColumns)]) { tape, x in
            tape.causalAttention(x[0], shape)
        }
        // Each query sees the keys up to its own: 1 + 2 + … + 5 pairs a head, of which each takes a product.
        let product = Double(2 * 8 * 15 * 2 * 4)
        #expect(spans.forward.map(\.work.operations) == [2 * product])
        #expect(spans.backward.map(\.work.operations) == [5 * product])
        #expect(spans.forward.map(\.work.bytes) == [Double(4 * (10 * 64 + 10 * 32))])
    }

    @Test func theLossComputesItsGradientsForwards() throws {
        let (n, width, vocabulary) = (6, 8, 20)
        let targets = UnsafeMutableBufferPointer<Int32>.allocate(capacity: n)
        defer { targets.deallocate() }
        targets.initialize(repeating: 3)
        let spans = try record("linear cross-entropy", [(n, width), (vocabulary, width)]) { tape, x in
            _ = tape.linearCrossEntropy(x[0], weight: x[1], targets: UnsafeBufferPointer(targets), scale: 1)
            return nil
        }
        #expect(spans.forward.map(\.work.operations) == [Double(3 * 2 * n * width * vocabulary)])
        // Hidden states and weights are read, their gradients written; scores stay in the cache.
        #expect(spans.forward.map(\.work.bytes) == [Double(4 * 2 * (n * width + vocabulary * width))])
        #expect(spans.backward.map(\.work.operations) == [0])
    }

    @Test func rowWiseOperatorsMoveTheirOperandsOnce() throws {
        let (n, width) = (6, 8)
        let vector = (1, width)
        let norm = try record("layer norm", [(n, width), vector, vector]) { tape, x in
            tape.layerNorm(x[0], weight: x[1], bias: x[2], epsilon: 1e-5)
        }
        #expect(norm.forward.map(\.work) == [.moving(2 * n * width)])
        #expect(norm.backward.map(\.work) == [.moving(3 * n * width)])
        let rms = try record("RMS norm", [(n, width), vector]) { tape, x in
            tape.rmsNorm(x[0], weight: x[1], epsilon: 1e-5)
        }
        #expect(rms.forward.map(\.work) == [.moving(2 * n * width)])
        #expect(rms.backward.map(\.work) == [.moving(3 * n * width)])
        let gated = try record("SwiGLU", [(n, 2 * width)]) { tape, x in tape.swiGLU(x[0]) }
        #expect(gated.forward.map(\.work) == [.moving(3 * n * width)])
        #expect(gated.backward.map(\.work) == [.moving(5 * n * width)])
        #expect(gated.forward.map(\.shape.text) == ["6 × 16 → 8"])
        let positions = try record("add positions", [(n, width), (4, width)]) { tape, x in
            tape.addPositions(x[0], table: x[1], positions: TokenPositions(sequenceLength: 3))
        }
        #expect(positions.forward.map(\.work) == [.moving(2 * n * width + 3 * width)])
        #expect(positions.backward.map(\.work) == [.moving(n * width + 3 * width)])
    }

    @Test func anOperatorWithoutACostIsRecordedAllTheSame() throws {
        let spans = try record("unnamed operator", [(2, 2)]) { tape, x in
            let mark = tape.mark()
            tape.record(Plain(), since: mark)
            return x[0]
        }
        #expect(spans.forward.map(\.work).contains(Trace.Work()))
    }

    private struct Plain: Operator {
        func backward(on tape: Tape) {}
    }
}
