import Autograd

/// The tensors behind a model's parameter handles on this rank, and which slice of the whole each of them is.
public struct ParameterBindings: Sendable {
    private let tensors: [Tensor]
    private let slices: [[ParameterSlice]]

    /// - Parameters:
    ///   - tensors: One a declared stack.
    ///   - slices: For each stack, the slice of each of its parameters.
    public init(tensors: [Tensor], slices: [[ParameterSlice]]) {
        precondition(tensors.count == slices.count)
        self.tensors = tensors
        self.slices = slices
    }

    public subscript(_ parameter: Parameter) -> Tensor { tensors[parameter.index] }

    public subscript(_ parameter: Parameter?) -> Tensor? { parameter.map { self[$0] } }

    /// The rows of the whole parameter (of one member of a stack) that this rank holds.
    public func rows(of parameter: Parameter, member: Int = 0) -> Range<Int> {
        slices[parameter.index][member].ranges[0]
    }
}
