/// A factor of a matrix product: a row-major matrix in memory, used as it lies or transposed.
public struct MatrixFactor: BitwiseCopyable {
    public let pointer: UnsafePointer<Float>
    /// Floats from the start of a row in memory to the start of the next.
    public let stride: Int
    public let isTransposed: Bool

    @inlinable
    public init(_ pointer: UnsafePointer<Float>, stride: Int, isTransposed: Bool = false) {
        self.pointer = pointer
        self.stride = stride
        self.isTransposed = isTransposed
    }

    /// The factor without its first rows and columns, counted as the product sees them.
    @inlinable
    public func dropping(rows: Int, columns: Int) -> MatrixFactor {
        let offset = isTransposed ? columns * stride + rows : rows * stride + columns
        return MatrixFactor(pointer + offset, stride: stride, isTransposed: isTransposed)
    }
}
