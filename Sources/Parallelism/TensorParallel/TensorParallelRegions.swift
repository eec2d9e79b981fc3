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

    public func gatherColumns(_ x: Tensor, on tape: Tape) -> Tensor {
        var widths = [Int64](repeating: 0, count: communicator.size)
        widths[communicator.rank] = Int64(x.columns)
        widths.withUnsafeMutableBufferPointer { communicator.allReduce($0, .sum, label: "widths of the parts") }
        let widest = Int(widths.max()!)
        let whole = tape.makeTensor(
            rows: x.rows, columns: Int(widths.reduce(0, +)), requiresGradient: false)
        let partSize = x.rows * widest
        tape.withScratch(partSize * communicator.size) { parts in
            (parts + communicator.rank * partSize).update(from: tape.value(x), count: x.count)
            communicator.allGather(
                UnsafeMutableBufferPointer(start: parts, count: partSize * communicator.size), label: "gather columns")
            var firstColumn = 0
            for (part, width) in widths.enumerated() {
                for row in 0..<x.rows {
                    (tape.value(whole) + row * whole.columns + firstColumn)
                        .update(from: parts + part * partSize + row * Int(width), count: Int(width))
                }
                firstColumn += Int(width)
            }
        }
        return whole
    }
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
