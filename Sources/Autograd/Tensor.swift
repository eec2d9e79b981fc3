/// A handle to a float matrix on a `Tape`: `[rows, columns]`, row-major, contiguous.
///
/// Every value that flows through a model is a matrix; activations are `[tokens, channels]` with
/// tokens = batch × sequence, a vector is `[1, n]`. Operators that need the batch or the heads are told so.
/// A handle owns nothing: the tape does.
public struct Tensor: BitwiseCopyable, Hashable, Sendable {
    package let slot: Int32
    public let rows: Int
    public let columns: Int

    public var count: Int { rows * columns }
}

/// One recorded step of a computation, with what its backward pass needs.
///
/// An operator lives in one file: an extension of `Tape` with a method that computes the forward pass and records a
/// value of the operator's type, and that type with `backward(on:)`. Its stored properties are tensors, attributes, and
/// memory from `Tape.allocateSaved`.
public protocol Operator {
    /// Adds this operator's share to the gradients of its inputs, from the gradient of its output.
    func backward(on tape: Tape)

    /// What profiles call it, for example "linear".
    static var name: StaticString { get }

    /// What profiles judge its speed by.
    func cost(on tape: Tape) -> OperatorCost
}

extension Operator {
    public static var name: StaticString { "unnamed operator" }

    public func cost(on tape: Tape) -> OperatorCost { OperatorCost() }
}
