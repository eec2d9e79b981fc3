import Autograd

/// Where a layer's work is split over ranks that share its weights, seen from the layer.
///
/// A layer is written once: it *enters* a region before weights that are split along their outputs, and leaves it
/// through weights that are split along their inputs, whose partial sums are added up. Inside a region a layer has all
/// rows of an activation; outside it has `rows(of:)`: all too, or a share of them. `UndividedRegions` does neither and
/// costs nothing; the parallel implementations live in module Parallelism.
/// See Shoeybi et al. 2019 (Megatron-LM), §3, and Korthikanti et al. 2022.
public protocol TensorRegions: AnyObject {
    /// The rows that this rank has outside of regions, of the `count` that it has inside.
    func rows(of count: Int) -> Range<Int>

    /// All rows of `x`; backwards the gradients that the parts computed for them are summed.
    func enter(_ x: Tensor, on tape: Tape) -> Tensor

    /// Says that the rest of the forward pass does not read `inside`, which `enter` returned.
    func finish(with inside: Tensor, on tape: Tape)

    /// This rank's rows of the sum of the parts' `x`, whose own value is gone then.
    func leave(_ x: Tensor, on tape: Tape) -> Tensor

    /// `residual + dropout(x·Wᵀ + bias)` where each part holds some of `x`'s columns and of `W`'s; `residual`, `dropout`
    /// and the result are of this rank's rows.
    func leaveThroughLinear(
        _ x: Tensor, weight: Tensor, bias: Tensor?, dropout: Dropout?, residual: Tensor, on tape: Tape
    ) -> Tensor

    /// `[rows, columns of this part]` → `[rows, columns of all parts]`, forward only.
    func gatherColumns(_ x: Tensor, on tape: Tape) -> Tensor

    /// Merges softmax statistics of a vocabulary that is split over the parts; nil where it is whole.
    var softmaxReduction: (any SoftmaxReduction)? { get }
}

/// The regions of a model that no one shares.
public final class UndividedRegions: TensorRegions, Sendable {
    public static let shared = UndividedRegions()

    private init() {}

    public func rows(of count: Int) -> Range<Int> { 0..<count }

    public func enter(_ x: Tensor, on tape: Tape) -> Tensor { x }

    public func finish(with inside: Tensor, on tape: Tape) {}

    public func leave(_ x: Tensor, on tape: Tape) -> Tensor { x }

    public func leaveThroughLinear(
        _ x: Tensor, weight: Tensor, bias: Tensor?, dropout: Dropout?, residual: Tensor, on tape: Tape
    ) -> Tensor {
        tape.linear(x, weight: weight, bias: bias, dropout: dropout, residual: residual)
    }

    public func gatherColumns(_ x: Tensor, on tape: Tape) -> Tensor { x }

    public var softmaxReduction: (any SoftmaxReduction)? { nil }
}
