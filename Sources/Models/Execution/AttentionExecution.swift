import Autograd
import Kernels

/// How the tokens of a sequence attend to each other, seen from the layer.
///
/// A layer gives the queries, keys and values of the tokens that it has. `WholeSequences` has all of a sequence; where
/// sequences are cut over ranks, implementations in module Parallelism bring tokens together with the keys and values
/// that other ranks have.
public protocol AttentionExecution: AnyObject {
    /// Causal self-attention: `[batch·sequence, (heads + 2·keyValueHeads)·headSize]`, rows of queries | keys | values, →
    /// `[batch·sequence, heads·headSize]`.
    ///
    /// - Parameters:
    ///   - qkv: With `rotary` its queries and keys are rotated in place, so nothing else may need them.
    ///   - shape: of what is here.
    ///   - positions: of the rows.
    func attend(
        _ qkv: Tensor, _ shape: AttentionShape, positions: TokenPositions, rotary: RotaryTable?,
        dropout: AttentionDropout?, on tape: Tape
    ) -> Tensor
}

/// Attention of sequences that no one shares.
public final class WholeSequences: AttentionExecution, Sendable {
    public static let shared = WholeSequences()

    private init() {}

    public func attend(
        _ qkv: Tensor, _ shape: AttentionShape, positions: TokenPositions, rotary: RotaryTable?,
        dropout: AttentionDropout?, on tape: Tape
    ) -> Tensor {
        precondition(
            positions == TokenPositions(sequenceLength: shape.sequence), "attention over a part of a sequence alone")
        return tape.causalAttention(qkv, shape, rotary: rotary, dropout: dropout)
    }
}
