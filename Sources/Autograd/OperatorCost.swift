import Numerics

/// The work that an operator cannot avoid: the floor under its time is the slower of computing the operations at the
/// machine's peak and moving the bytes at its copy bandwidth.
///
/// Bytes count every operand once, as if none were in a cache; a gradient that is added to what is there counts as if it
/// were written only. Operations are those of matrix products; what is done to each element besides costs less than
/// moving it.
public struct OperatorCost: Hashable, Sendable {
    public var forward: Trace.Work
    public var backward: Trace.Work
    public var shape: Trace.Shape

    public init(forward: Trace.Work = .init(), backward: Trace.Work = .init(), shape: Trace.Shape = .none) {
        self.forward = forward
        self.backward = backward
        self.shape = shape
    }

    /// An operator that only moves numbers.
    ///
    /// - Parameters:
    ///   - forward: Floats that its forward pass reads and writes.
    ///   - backward: Floats that its backward pass reads and writes.
    static func moving(forward: Int, backward: Int, shape: Trace.Shape) -> OperatorCost {
        OperatorCost(forward: .moving(forward), backward: .moving(backward), shape: shape)
    }
}
