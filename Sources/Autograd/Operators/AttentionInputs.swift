import Kernels

/// Some queries of every sequence of a batch, the keys and values that they look at, and where all these lie.
///
/// Queries and keys are rows of matrices; of each sequence they have consecutive positions.
package struct AttentionInputs {
    /// `shape.sequence` counts the queries of each sequence.
    package let shape: AttentionShape
    let dropout: AttentionDropout?
    private let queries: UnsafePointer<Float>
    let queryStride: Int
    /// Rows from one sequence's queries to the next one's, also of outputs and their statistics.
    let queryRows: Int
    private let keys: UnsafePointer<Float>
    private let values: UnsafePointer<Float>
    let keyValueStride: Int
    /// Rows of keys, and of values, from one sequence to the next.
    let keyRows: Int
    /// Of each sequence's first query and key.
    private let firstPosition: Int
    private let firstKeyPosition: Int
    private let keyCount: Int

    /// Queries, keys and values side by side in one matrix.
    init(qkv: UnsafePointer<Float>, shape: AttentionShape, dropout: AttentionDropout?) {
        self.shape = shape
        self.dropout = dropout
        queries = qkv
        queryStride = shape.inputColumns
        queryRows = shape.sequence
        keys = qkv + shape.outputColumns
        values = qkv + shape.outputColumns + shape.keyValueColumns
        keyValueStride = shape.inputColumns
        keyRows = shape.sequence
        (firstPosition, firstKeyPosition, keyCount) = (0, 0, .max)
    }

    /// Queries in the first columns of a matrix; keys and values, also those of earlier positions, in a cache.
    init(queriesOf qkv: UnsafePointer<Float>, shape: AttentionShape, cache: KeyValueCacheLayer, firstPosition: Int) {
        self.shape = shape
        dropout = nil
        queries = qkv
        queryStride = shape.inputColumns
        queryRows = shape.sequence
        keys = UnsafePointer(cache.keys)
        values = UnsafePointer(cache.values)
        keyValueStride = shape.keyValueColumns
        keyRows = cache.contextLength
        self.firstPosition = firstPosition
        (firstKeyPosition, keyCount) = (0, .max)
    }

    /// A chunk of every sequence's queries in the first columns of one matrix, and a chunk of keys and values side by
    /// side in another.
    ///
    /// - Parameters:
    ///   - qkv: The chunk's first row in `[batch·queryRows, …]`, rows of queries | keys | values.
    ///   - queryPositions: Of the chunk's queries.
    ///   - keyValues: The chunk's first row in `[batch·keyRows, 2·keyValueColumns]`, rows of keys | values.
    ///   - keyPositions: Of the chunk's keys; the same as those of the queries, or all before them.
    package init(
        qkv: UnsafePointer<Float>, queryRows: Int, queryPositions: Range<Int>, keyValues: UnsafePointer<Float>,
        keyRows: Int, keyPositions: Range<Int>, shape: AttentionShape, dropout: AttentionDropout?
    ) {
        precondition(
            keyPositions == queryPositions || keyPositions.upperBound <= queryPositions.lowerBound,
            "queries \(queryPositions) cannot see a part of keys \(keyPositions)")
        var chunk = shape
        chunk.sequence = queryPositions.count
        self.shape = chunk
        self.dropout = dropout
        queries = qkv
        queryStride = shape.inputColumns
        self.queryRows = queryRows
        keys = keyValues
        values = keyValues + shape.keyValueColumns
        keyValueStride = 2 * shape.keyValueColumns
        self.keyRows = keyRows
        firstPosition = queryPositions.lowerBound
        firstKeyPosition = keyPositions.lowerBound
        keyCount = keyPositions.count
    }

    /// One query head of one sequence, with the key/value head of its group.
    func head(_ head: Int, sequence: Int) -> AttentionHead {
        let keyOffset = sequence * keyRows * keyValueStride + head / shape.groupSize * shape.headSize
        return AttentionHead(
            queries: queries + sequence * queryRows * queryStride + head * shape.headSize, queryStride: queryStride,
            keys: keys + keyOffset, values: values + keyOffset, keyValueStride: keyValueStride,
            headSize: shape.headSize, firstPosition: firstPosition, firstKeyPosition: firstKeyPosition,
            keyCount: keyCount, mask: dropout?.mask(sequence: sequence, head: shape.firstHead + head))
    }

    /// Keys that any of the queries before `end` sees.
    func visibleKeys(before end: Int) -> Int { min(firstPosition + end - firstKeyPosition, keyCount) }

    /// The first query that sees a key.
    func firstQuery(seeing key: Int) -> Int { max(firstKeyPosition + key - firstPosition, 0) }
}
