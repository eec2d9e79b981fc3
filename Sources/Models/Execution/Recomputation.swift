import Autograd

/// Which activations the backward pass computes again instead of keeping them from the forward pass.
///
/// Gradients are the same bits in every mode: what is computed again is computed the same way.
public enum Recomputation: String, Hashable, Sendable, CaseIterable {
    /// Everything that the backward pass reads is kept.
    case none
    /// Outputs that cost one pass over memory (norms, GELU, SwiGLU) are computed again from their inputs.
    case selective
    /// Each block keeps only its input, and runs forward a second time before it runs backward (Chen et al. 2016).
    case full
}

/// A block that ran forward without being recorded.
struct RecomputedBlock: Operator {
    let block: DecoderBlock
    let x: Tensor
    let y: Tensor
    let sequence: SequenceContext
    let context: ForwardContext

    func backward(on tape: Tape) {
        guard tape.gradient(y) != nil else { return }
        tape.replay(output: y) { block.forward(x, sequence, context) }
    }
}

extension DecoderBlock {
    /// `forward`, keeping for the backward pass what the context's recomputation asks for.
    func run(_ x: Tensor, _ sequence: SequenceContext, _ context: ForwardContext) -> Tensor {
        let tape = context.tape
        guard context.recomputation == .full, tape.isRecording else { return forward(x, sequence, context) }
        let mark = tape.mark()
        let y = tape.withoutRecording { forward(x, sequence, context) }
        tape.record(RecomputedBlock(block: self, x: x, y: y, sequence: sequence, context: context), since: mark)
        return y
    }
}

extension ForwardContext {
    /// Says that the rest of the forward pass does not read `x`, which is cheap to compute again.
    func finish(with x: Tensor) {
        if recomputation != .none || !tape.isRecording { tape.discardUntilBackward(x) }
    }
}
