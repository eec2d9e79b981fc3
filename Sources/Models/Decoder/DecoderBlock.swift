import Autograd

/// One pre-norm transformer block.
struct DecoderBlock: Sendable {
    let index: Int
    let attentionNorm: Norm
    let attention: Attention
    let feedForwardNorm: Norm
    let feedForward: FeedForward

    init(_ index: Int, _ model: ModelConfiguration, in declarations: inout ParameterDeclarations) {
        self.index = index
        let name = "blocks.\(index)"
        attentionNorm = Norm("\(name).attentionNorm", model, in: &declarations)
        attention = Attention("\(name).attention", block: index, model, in: &declarations)
        feedForwardNorm = Norm("\(name).feedForwardNorm", model, in: &declarations)
        feedForward = FeedForward("\(name).feedForward", block: index, model, in: &declarations)
    }

    /// The first parameters of its layers.
    var firstOfLayers: [Parameter] { [attentionNorm.weight, feedForwardNorm.weight] }

    /// `[N, hiddenSize]` → the same shape.
    func forward(_ x: Tensor, _ sequence: SequenceContext, _ context: ForwardContext) -> Tensor {
        context.blocks.pass(before: attentionNorm.weight, on: context.tape)
        let attended = attention.forward(attentionNorm.forward(x, context), residual: x, sequence, context)
        context.blocks.pass(before: feedForwardNorm.weight, on: context.tape)
        return feedForward.forward(feedForwardNorm.forward(attended, context), residual: attended, context)
    }
}
