import Autograd
import Collectives
import Models

/// Tensor parallelism whose ranks also share out the tokens outside of regions: norms, dropout and the residual stream
/// run on 1/t of the rows each (Korthikanti et al. 2022).
///
///     enter:  forward all-gather x         backward reduce-scatter dx
///     leave:  forward reduce-scatter x     backward all-gather dx
///
/// Together they move as many bytes as the all-reduces of `TensorParallelRegions`, of which they are the halves. What is
/// gathered is not kept for the backward pass but gathered again. Gradients of parameters that are used outside of
/// regions come from this rank's rows alone: `SharedGradients` sums them.
public final class SequenceParallelRegions: TensorRegions {
    private let communicator: any Communicator
    private let vocabulary: VocabularyReduction

    public init(_ communicator: any Communicator) {
        self.communicator = communicator
        vocabulary = VocabularyReduction(communicator)
    }

    public func rows(of count: Int) -> Range<Int> {
        precondition(
            count % communicator.size == 0,
            "\(count) rows cannot be shared out evenly among \(communicator.size) tensor-parallel ranks")
        let share = count / communicator.size
        return communicator.rank * share..<(communicator.rank + 1) * share
    }

    public func enter(_ x: Tensor, on tape: Tape) -> Tensor {
        let mark = tape.mark()
        let inside = tape.makeTensor(
            rows: x.rows * communicator.size, columns: x.columns, requiresGradient: tape.requiresGradient(x))
        let entry = RowGather(x: x, y: inside, communicator: communicator)
        entry.recompute(on: tape)
        tape.record(entry, since: mark)
        return inside
    }

    public func finish(with inside: Tensor, on tape: Tape) { tape.discardUntilBackward(inside) }

    public func leave(_ x: Tensor, on tape: Tape) -> Tensor {
        let mark = tape.mark()
        let rows = rows(of: x.rows)
        let outside = tape.makeTensor(
            rows: rows.count, columns: x.columns, requiresGradient: tape.requiresGradient(x))
        communicator.reduceScatter(
            UnsafeMutableBufferPointer(start: tape.value(x), count: x.count), .sum,
            label: "leave sequence-parallel region")
        tape.value(outside).update(from: tape.value(x) + rows.lowerBound * x.columns, count: outside.count)
        tape.record(RowScatter(x: x, y: outside, communicator: communicator), since: mark)
        tape.discard(x)
        return outside
    }

    public func leaveThroughLinear(
        _ x: Tensor, weight: Tensor, bias: Tensor?, dropout: Dropout?, residual: Tensor, on tape: Tape
    ) -> Tensor {
        let sum = leave(tape.linear(x, weight: weight), on: tape)
        let y = tape.addBiasResidual(sum, bias: bias, dropout: dropout, residual: residual)
        tape.discard(sum)
        return y
    }

    public func gatherColumns(_ x: Tensor, on tape: Tape) -> Tensor { x.gatheringColumns(over: communicator, on: tape) }

    public var softmaxReduction: (any SoftmaxReduction)? { vocabulary }
}

/// All ranks' rows of `x`, `[N/t, C]` → `[N, C]`.
private struct RowGather: RecomputableOperator {
    let x: Tensor
    let y: Tensor
    let communicator: any Communicator

    static let name: StaticString = "enter sequence-parallel region"

    func recompute(on tape: Tape) {
        let all = UnsafeMutableBufferPointer(start: tape.value(y), count: y.count)
        (all.baseAddress! + communicator.rank * x.count).update(from: tape.value(x), count: x.count)
        communicator.allGather(all, label: "enter sequence-parallel region")
    }

    func backward(on tape: Tape) {
        guard let gradient = tape.gradient(y) else { return }
        communicator.reduceScatter(
            UnsafeMutableBufferPointer(start: gradient, count: y.count), .sum,
            label: "gradients entering sequence-parallel region")
        guard let sink = tape.gradientSink(x) else { return }
        let mine = gradient + communicator.rank * x.count
        if sink.accumulates {
            for index in 0..<x.count { sink.pointer[index] += mine[index] }
        } else {
            sink.pointer.update(from: mine, count: x.count)
        }
    }
}

/// This rank's rows of the sum of all ranks' `x`, `[N, C]` → `[N/t, C]`.
private struct RowScatter: Operator {
    let x: Tensor
    let y: Tensor
    let communicator: any Communicator

    static let name: StaticString = "leave sequence-parallel region"

    func backward(on tape: Tape) {
        guard let gradient = tape.gradient(y), let sink = tape.gradientSink(x) else { return }
        precondition(!sink.accumulates, "what leaves a region is used nowhere else")
        let all = UnsafeMutableBufferPointer(start: sink.pointer, count: x.count)
        (all.baseAddress! + communicator.rank * y.count).update(from: gradient, count: y.count)
        communicator.allGather(all, label: "gradients leaving sequence-parallel region")
    }
}
