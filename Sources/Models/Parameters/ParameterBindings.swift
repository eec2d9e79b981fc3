import Autograd

/// The tensors behind a model's parameter handles on this rank, and which slice of the whole each of them is.
///
/// A rank may have parameters of a part of the model only; the others must not be asked for.
public struct ParameterBindings: Sendable {
    private let tensors: [Tensor?]
    private let slices: [[ParameterSlice]]

    /// - Parameters:
    ///   - tensors: One a declared stack, nil for one that isn't here.
    ///   - slices: For each stack, the slice of each of its parameters.
    public init(tensors: [Tensor?], slices: [[ParameterSlice]]) {
        precondition(tensors.count == slices.count)
        self.tensors = tensors
        self.slices = slices
    }

    public subscript(_ parameter: Parameter) -> Tensor {
        guard let tensor = tensors[parameter.index] else {
            preconditionFailure("parameter \(parameter.index) belongs to a part of the model that is not here")
        }
        return tensor
    }

    /// Whether a parameter is here.
    public func contains(_ parameter: Parameter) -> Bool { tensors[parameter.index] != nil }

    public subscript(_ parameter: Parameter?) -> Tensor? { parameter.map { self[$0] } }

    /// The rows of the whole parameter (of one member of a stack) that this rank holds.
    public func rows(of parameter: Parameter, member: Int = 0) -> Range<Int> {
        slices[parameter.index][member].ranges[0]
    }
}
