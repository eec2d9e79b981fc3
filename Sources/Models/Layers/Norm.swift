import Autograd

/// Normalises each row: LayerNorm with a bias, RMSNorm without.
public struct Norm: Sendable {
    let weight: Parameter
    let bias: Parameter?
    let epsilon: Float

    init(_ name: String, _ model: ModelConfiguration, in declarations: inout ParameterDeclarations) {
        weight = declarations.declare(
            ParameterSpecification(
                name: "\(name).weight", shape: [model.hiddenSize], partition: .replicated, initializer: .constant(1),
                isDecayed: false))
        switch model.architecture {
        case .gpt2:
            bias = declarations.declare(
                ParameterSpecification(
                    name: "\(name).bias", shape: [model.hiddenSize], partition: .replicated, initializer: .constant(0),
                    isDecayed: false))
        case .llama:
            bias = nil
        }
        epsilon = model.normEpsilon
    }

    var parameters: [Parameter] { [weight] + (bias.map { [$0] } ?? []) }

    /// `[N, hiddenSize]` → the same shape.
    func forward(_ x: Tensor, _ context: ForwardContext) -> Tensor {
        let weight = context.parameters[weight]
        if let bias = context.parameters[bias] {
            return context.tape.layerNorm(x, weight: weight, bias: bias, epsilon: epsilon)
        }
        return context.tape.rmsNorm(x, weight: weight, epsilon: epsilon)
    }
}
