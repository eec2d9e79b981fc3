import Numerics

/// The keys and values of one layer for the positions seen so far: what generation keeps instead of computing them
/// again for every token.
public final class KeyValueCacheLayer {
    public let batch: Int
    /// Positions that fit.
    public let contextLength: Int
    /// keyValueHeads · headSize.
    public let columns: Int
    /// Positions that are filled; lower it to forget the last ones.
    public var length = 0 {
        didSet { precondition(length >= 0 && length <= contextLength, "the cache holds \(contextLength) positions") }
    }

    /// `[batch, contextLength, columns]`, rotated where the model rotates keys.
    let keys: UnsafeMutablePointer<Float>
    /// `[batch, contextLength, columns]`.
    let values: UnsafeMutablePointer<Float>

    public init(batch: Int, contextLength: Int, keyValueHeads: Int, headSize: Int) {
        self.batch = batch
        self.contextLength = contextLength
        columns = keyValueHeads * headSize
        keys = Arena.allocateAligned(batch * contextLength * columns)
        values = Arena.allocateAligned(batch * contextLength * columns)
    }

    deinit {
        Arena.deallocate(keys)
        Arena.deallocate(values)
    }

    /// Appends the keys and values of `sequence` new positions of each sequence of the batch.
    ///
    /// - Parameter qkv: `[batch·sequence, …]`, rows of queries | keys | values.
    func append(_ qkv: UnsafePointer<Float>, _ shape: AttentionShape) {
        for row in 0..<shape.tokens {
            let (sequence, position) = row.quotientAndRemainder(dividingBy: shape.sequence)
            let source = qkv + row * shape.inputColumns + shape.outputColumns
            let target = (sequence * contextLength + length + position) * columns
            (keys + target).update(from: source, count: columns)
            (values + target).update(from: source + columns, count: columns)
        }
        length += shape.sequence
    }
}
