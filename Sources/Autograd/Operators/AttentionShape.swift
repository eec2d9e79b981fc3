/// The sizes of a causal attention over the rows of a `[batch·sequence, columns]` matrix.
public struct AttentionShape: BitwiseCopyable, Hashable, Sendable {
    public var batch: Int
    /// Tokens of each sequence.
    public var sequence: Int
    /// Query heads in this matrix.
    public var heads: Int
    /// Key/value heads in this matrix; consecutive groups of heads / keyValueHeads query heads share one.
    public var keyValueHeads: Int
    public var headSize: Int
    /// The number of the first query head in the whole model, which differs from 0 where heads are split over ranks.
    /// Only dropout depends on it.
    public var firstHead: Int

    public init(
        batch: Int, sequence: Int, heads: Int, keyValueHeads: Int? = nil, headSize: Int, firstHead: Int = 0
    ) {
        self.batch = batch
        self.sequence = sequence
        self.heads = heads
        self.keyValueHeads = keyValueHeads ?? heads
        self.headSize = headSize
        self.firstHead = firstHead
    }

    /// Columns of a row of queries | keys | values.
    public var inputColumns: Int { (heads + 2 * keyValueHeads) * headSize }
    /// Columns of a row of outputs, and of queries.
    public var outputColumns: Int { heads * headSize }
    /// Columns of a row of keys, and of values.
    public var keyValueColumns: Int { keyValueHeads * headSize }

    public var tokens: Int { batch * sequence }
    /// Query heads that share a key/value head.
    var groupSize: Int { heads / keyValueHeads }

    /// Ends the program where the sizes contradict each other or `qkv`.
    package func check(_ qkv: Tensor, operation: String) {
        precondition(
            batch > 0 && sequence > 0 && heads > 0 && headSize > 0 && keyValueHeads > 0 && heads % keyValueHeads == 0,
            "\(operation): the sizes must be positive and the heads a multiple of the key/value heads, got \(self)")
        precondition(
            qkv.rows == tokens && qkv.columns == inputColumns,
            "\(operation): expected [\(tokens), \(inputColumns)] for \(self), got [\(qkv.rows), \(qkv.columns)]")
    }
}
