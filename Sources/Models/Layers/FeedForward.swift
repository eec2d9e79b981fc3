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
    func forward(_ x: Tensor, residual: Tensor, _ context: ForwardContext) -> Tensor {
        let hidden =
            isGated
            ? context.tape.swiGLU(expand.forward(x, context)) : expand.forward(x, activation: .geluTanh, context)
        return down.forward(
            hidden, residual: residual, dropout: context.dropout?.at(.feedForwardOutput(block: block)), context)
    }
}
