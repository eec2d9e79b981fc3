import Autograd

/// A linear layer whose outputs may be split over ranks (Megatron's column-parallel linear), or several of them that
/// read the same input and are computed as one product.
struct OutputSplitLinear: Sendable {
    let weight: Parameter
    let bias: Parameter?

    /// - Parameter members: Name, output size, and the granularity at which the outputs may be cut.
    init(
        _ members: [(name: String, outputs: Int, granularity: Int)], inputs: Int, hasBias: Bool,
        standardDeviation: Float, in declarations: inout ParameterDeclarations
    ) {
        weight = declarations.declare(
            stack: members.map {
                ParameterSpecification(
                    name: "\($0.name).weight", shape: [$0.outputs, inputs],
                    partition: .split(dimension: 0, granularity: $0.granularity),
                    initializer: .normal(standardDeviation: standardDeviation), isDecayed: true)
            })
        guard hasBias else {
            bias = nil
            return
        }
        bias = declarations.declare(
            stack: members.map {
                ParameterSpecification(
                    name: "\($0.name).bias", shape: [$0.outputs],
                    partition: .split(dimension: 0, granularity: $0.granularity), initializer: .constant(0),
                    isDecayed: false)
            })
    }

    /// `[N, inputs]` → `[N, outputs held here]`, the members' outputs side by side.
    func forward(_ x: Tensor, activation: Activation = .none, _ context: ForwardContext) -> Tensor {
        let inside = context.regions.enter(x, on: context.tape)
        let y = context.tape.linear(
            inside, weight: context.parameters[weight], bias: context.parameters[bias], activation: activation)
        context.regions.finish(with: inside, on: context.tape)
        return y
    }
}

/// A linear layer whose inputs may be split over ranks (Megatron's row-parallel linear) and whose output joins the
/// residual stream.
struct InputSplitLinear: Sendable {
    let weight: Parameter
    let bias: Parameter?

    init(
        _ name: String, inputs: Int, outputs: Int, granularity: Int, hasBias: Bool, standardDeviation: Float,
        in declarations: inout ParameterDeclarations
    ) {
        weight = declarations.declare(
            ParameterSpecification(
                name: "\(name).weight", shape: [outputs, inputs],
                partition: .split(dimension: 1, granularity: granularity),
                initializer: .normal(standardDeviation: standardDeviation), isDecayed: true))
        bias =
            hasBias
            ? declarations.declare(
                ParameterSpecification(
                    name: "\(name).bias", shape: [outputs], partition: .replicated, initializer: .constant(0),
                    isDecayed: false)) : nil
    }

    /// `residual + dropout(x·Wᵀ + bias)`: `[N, inputs held here]`, `[N, outputs]` → `[N, outputs]`.
    func forward(_ x: Tensor, residual: Tensor, dropout: Dropout?, _ context: ForwardContext) -> Tensor {
        context.regions.leaveThroughLinear(
            x, weight: context.parameters[weight], bias: context.parameters[bias], dropout: dropout,
            residual: residual, on: context.tape)
    }
}
