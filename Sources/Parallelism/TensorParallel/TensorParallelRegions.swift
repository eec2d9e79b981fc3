import Autograd
import Collectives
import Models

/// Tensor parallelism over the ranks of one communicator: a pair of conjugate identities around every split layer.
///
///     enter:  forward x            backward Σ dx        (before weights split along their outputs)
///     leave:  forward Σ x          backward dx          (after weights split along their inputs)
///
/// Everything outside a region is replicated: all ranks compute the same bits there, because an all-reduce gives them
/// the same bits.
public final class TensorParallelRegions: TensorRegions {
    private let communicator: any Communicator
    private let vocabulary: VocabularyReduction

    public init(_ communicator: any Communicator) {
        self.communicator = communicator
        vocabulary = VocabularyReduction(communicator)
    }

    public func rows(of count: Int) -> Range<Int> { 0..<count }

    public func finish(with inside: Tensor, on tape: Tape) {}

    public func enter(_ x: Tensor, on tape: Tape) -> Tensor {
        guard tape.isRecording else { return x }
        let mark = tape.mark()
        let inside = tape.makeAlias(of: x)
        tape.record(RegionEntry(x: x, inside: inside, communicator: communicator), since: mark)
        return inside
    }

    /// Sums in place: the operator that made `x` does not need its own output.
    public func leave(_ x: Tensor, on tape: Tape) -> Tensor {
        communicator.allReduce(
            UnsafeMutableBufferPointer(start: tape.value(x), count: x.count), .sum,
            label: "leave tensor-parallel region")
        return x
    }

    public func leaveThroughLinear(
        _ x: Tensor, weight: Tensor, bias: Tensor?, dropout: Dropout?, residual: Tensor, on tape: Tape
    ) -> Tensor {
        let sum = leave(tape.linear(x, weight: weight), on: tape)
        let y = tape.addBiasResidual(sum, bias: bias, dropout: dropout, residual: residual)
        tape.discard(sum)
        return y
    }

    public var softmaxReduction: (any SoftmaxReduction)? { vocabulary }

    public func gatherColumns(_ x: Tensor, on tape: Tape) -> Tensor { x.gatheringColumns(over: communicator, on: tape) }
}

private struct RegionEntry: Operator {
    let x: Tensor
    let inside: Tensor
    let communicator: any Communicator

    static let name: StaticString = "enter tensor-parallel region"

    func backward(on tape: Tape) {
        guard let gradient = tape.gradient(inside) else { return }
        communicator.allReduce(
            UnsafeMutableBufferPointer(start: gradient, count: inside.count), .sum,
            label: "gradients entering tensor-parallel region")
        tape.passGradient(from: inside, to: x)
    }
}
