import Autograd

/// Consecutive pieces of a decoder that run one after the other: parts chained from the tokens to the loss make up the
/// model, however it is cut.
public struct DecoderPart: Hashable, Sendable {
    /// Whether it begins with the embeddings; otherwise its input are the activations of the part before.
    public var embeds: Bool
    public var blocks: Range<Int>
    /// Whether it ends with the final norm, the output projection and the loss.
    public var predicts: Bool

    public init(embeds: Bool, blocks: Range<Int>, predicts: Bool) {
        self.embeds = embeds
        self.blocks = blocks
        self.predicts = predicts
    }
}

extension Decoder {
    public var whole: DecoderPart { DecoderPart(embeds: true, blocks: 0..<blocks.count, predicts: true) }

    /// The parameters that a part uses, in the order of their declaration.
    public func parameters(of part: DecoderPart) -> [Parameter] {
        var indices: Set<Int> = []
        if part.embeds { indices.formUnion([embedding, positions].compactMap { $0?.index }) }
        for block in part.blocks { indices.formUnion(blockParameters[block]) }
        if part.predicts { indices.formUnion(finalNorm.parameters.map(\.index) + [head.index]) }
        return indices.sorted().map { Parameter(index: $0) }
    }

    /// Token embeddings and positions: `[batch × sequence]` ids → `[N, hiddenSize]`.
    public func embed(_ batch: TokenBatch, _ context: ForwardContext) -> Tensor {
        embed(batch.tokens, sequence(of: batch), context)
    }

    /// Some of the blocks: `[N, hiddenSize]` → the same shape.
    public func run(
        _ range: Range<Int>, _ x: Tensor, of batch: TokenBatch, _ context: ForwardContext
    ) -> Tensor {
        run(range, x, sequence(of: batch), context)
    }

    /// Final norm, output projection and cross-entropy of the last block's output, `[N, hiddenSize]`: the sum over the
    /// batch's tokens of -log p(next token) × `scale`.
    ///
    /// - Parameter losses: Receives each token's loss, unscaled, `[batch × sequence]`.
    public func loss(
        of x: Tensor, _ batch: TokenBatch, scale: Float, losses: UnsafeMutablePointer<Float>? = nil,
        _ context: ForwardContext
    ) -> Double {
        let inside = context.regions.enter(finalNorm.forward(x, context), on: context.tape)
        let loss = context.tape.linearCrossEntropy(
            inside, weight: context.parameters[head], targets: batch.targets, scale: scale,
            firstRow: context.parameters.rows(of: head).lowerBound, vocabularySize: configuration.vocabularySize,
            reduction: context.regions.softmaxReduction, losses: losses)
        context.regions.finish(with: inside, on: context.tape)
        return loss
    }
}
