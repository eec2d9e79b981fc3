import Autograd

/// The position-wise part of a block: GELU between two linears, or SwiGLU (Shazeer 2020).
struct FeedForward: Sendable {
    let block: Int
    let expand: OutputSplitLinear
    let down: InputSplitLinear
    let isGated: Bool

    init(
        _ name: String, block: Int, _ model: ModelConfiguration, in declarations: inout ParameterDeclarations
    ) {
        self.block = block
        isGated = model.architecture == .llama
        let size = model.feedForwardSize
        let members = (isGated ? ["gate", "up"] : ["up"]).map { (name: "\(name).\($0)", outputs: size, granularity: 1) }
        expand = OutputSplitLinear(
            members, inputs: model.hiddenSize, hasBias: !isGated, standardDeviation: model.initializerRange,
            in: &declarations)
        down = InputSplitLinear(
            "\(name).down", inputs: size, outputs: model.hiddenSize, granularity: 1, hasBias: !isGated,
            standardDeviation: model.residualInitializerRange, in: &declarations)
    }

    /// `[N, hiddenSize]` → `residual` + the feed-forward output, `[N, hiddenSize]`.
    ///
    /// - Parameter x: The output of a norm that nothing else reads.
    func forward(_ x: Tensor, residual: Tensor, _ context: ForwardContext) -> Tensor {
        let expanded = expand.forward(x, activation: isGated ? .none : .geluTanh, context)
        context.finish(with: x)
        let hidden = isGated ? context.tape.swiGLU(expanded) : expanded
        let y = down.forward(
            hidden, residual: residual, dropout: context.dropout?.at(.feedForwardOutput(block: block)), context)
        context.finish(with: hidden)
        return y
    }
}
