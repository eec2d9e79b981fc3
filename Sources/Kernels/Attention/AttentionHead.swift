import Numerics

/// Where the rows of one head of one sequence lie, and how its attention is computed.
///
/// Heads are columns of wider matrices: nothing is transposed or copied. Row t of each matrix is `stride` floats after
/// row t - 1.
public struct AttentionHead {
    /// `[queries, headSize]`.
    public var queries: UnsafePointer<Float>
    public var queryStride: Int
    /// `[keys, headSize]`.
    public var keys: UnsafePointer<Float>
    /// `[keys, headSize]`.
    public var values: UnsafePointer<Float>
    public var keyValueStride: Int
    public var headSize: Int
    /// The position of query row 0; it sees the keys at positions up to its own.
    public var firstPosition: Int
    /// The position of key row 0, at most `firstPosition`.
    public var firstKeyPosition: Int
    /// Rows of keys, where there are fewer than queries may see.
    public var keyCount: Int
    public var mask: AttentionMask?

    public init(
        queries: UnsafePointer<Float>, queryStride: Int, keys: UnsafePointer<Float>, values: UnsafePointer<Float>,
        keyValueStride: Int, headSize: Int, firstPosition: Int = 0, firstKeyPosition: Int = 0, keyCount: Int = .max,
        mask: AttentionMask? = nil
    ) {
        self.queries = queries
        self.queryStride = queryStride
        self.keys = keys
        self.values = values
        self.keyValueStride = keyValueStride
        self.headSize = headSize
        self.firstPosition = firstPosition
        self.firstKeyPosition = firstKeyPosition
        self.keyCount = keyCount
        self.mask = mask
    }

    /// What the products of queries and keys are multiplied by.
    var scale: Float { 1 / Float(headSize).squareRoot() }

    /// Rows of keys that any of the query rows before `end` sees.
    func visibleKeys(before end: Int) -> Int { min(firstPosition + end - firstKeyPosition, keyCount) }

    /// The positions of some rows of keys.
    func positions(ofKeys rows: Range<Int>) -> Range<Int> {
        rows.lowerBound + firstKeyPosition..<rows.upperBound + firstKeyPosition
    }
}

/// Dropout of one head's attention weights: a pure function of its key, the sample and both positions.
public struct AttentionMask {
    let mask: DropoutMask
    let sample: UInt64

    /// - Parameters:
    ///   - mask: keyed by seed, site and head.
    ///   - sample: the global number of the sequence.
    public init(mask: DropoutMask, sample: UInt64) {
        self.mask = mask
        self.sample = sample
    }

    /// Writes the factors of one query's weights for some keys.
    func write(query: Int, keys: Range<Int>, into factors: UnsafeMutablePointer<Float>) {
        let counter = (
            UInt32(truncatingIfNeeded: query), UInt32(truncatingIfNeeded: sample),
            UInt32(truncatingIfNeeded: sample &>> 32)
        )
        mask.write(keys, counter: counter, into: factors)
    }
}
