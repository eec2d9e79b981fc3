/// A handle that a layer keeps for parameters it declared: one tensor, or several stacked along the first dimension.
public struct Parameter: Hashable, Sendable {
    package let index: Int
}

/// Every parameter of a model, in the order in which the forward pass uses them.
///
/// Layers declare whole parameters by logical name; nothing is allocated here. A *stack* is a group of parameters that
/// are used as one matrix (queries, keys and values; gate and up) and so lie next to each other in memory, while each
/// keeps its own name in checkpoints.
public struct ParameterDeclarations: Sendable {
    public private(set) var stacks: [[ParameterSpecification]] = []

    public init() {}

    public mutating func declare(_ specification: ParameterSpecification) -> Parameter {
        declare(stack: [specification])
    }

    public mutating func declare(stack: [ParameterSpecification]) -> Parameter {
        precondition(!stack.isEmpty && stack.allSatisfy { $0.shape.dropFirst() == stack[0].shape.dropFirst() })
        stacks.append(stack)
        return Parameter(index: stacks.count - 1)
    }

    /// All parameters, stack by stack.
    public var specifications: [ParameterSpecification] { stacks.flatMap { $0 } }
}
