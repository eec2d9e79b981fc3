import Autograd

/// Where a layer's work is split over ranks that share its weights, seen from the layer.
///
/// A layer is written once: it *enters* a region before weights that are split along their outputs, and leaves it
/// through weights that are split along their inputs, whose partial sums are added up. `UndividedRegions` does neither
/// and costs nothing; the parallel implementations live in module Parallelism.
/// See Shoeybi et al. 2019 (Megatron-LM), §3.
public protocol TensorRegions: AnyObject {
    /// Identity forwards; backwards the gradients that the parts computed for `x` are summed.
    func enter(_ x: Tensor, on tape: Tape) -> Tensor

    /// The sum of the parts' `x`; identity backwards.
    func leave(_ x: Tensor, on tape: Tape) -> Tensor

    /// `residual + dropout(x·Wᵀ + bias)` where each part holds some of `x`'s columns and of `W`'s.
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

    public func enter(_ x: Tensor, on tape: Tape) -> Tensor { x }

    public func leave(_ x: Tensor, on tape: Tape) -> Tensor { x }

    public func leaveThroughLinear(
        _ x: Tensor, weight: Tensor, bias: Tensor?, dropout: Dropout?, residual: Tensor, on tape: Tape
    ) -> Tensor {
        tape.linear(x, weight: weight, bias: bias, dropout: dropout, residual: residual)
    }

    public func gatherColumns(_ x: Tensor, on tape: Tape) -> Tensor { x }

    public var softmaxReduction: (any SoftmaxReduction)? { nil }
}
