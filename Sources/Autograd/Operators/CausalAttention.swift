import Kernels

extension Tape {
    /// Causal self-attention: softmax(Q·Kᵀ / √headSize, over keys up to the query)·V, for each head of each sequence.
    ///
    /// Memory is linear in the sequence: no score matrix is kept, see `AttentionForward`.
    ///
    /// - Parameters:
    ///   - qkv: `[batch·sequence, (heads + 2·keyValueHeads)·headSize]`, each row queries | keys | values. With `rotary`
    ///     its queries and keys are rotated in place, so nothing else may need them.
    ///   - rotary: rotates queries and keys by their position.
    ///   - dropout: drops attention weights.
    /// - Returns: `[batch·sequence, heads·headSize]`.
    public func causalAttention(
        _ qkv: Tensor, _ shape: AttentionShape, rotary: RotaryTable? = nil, dropout: AttentionDropout? = nil
    ) -> Tensor {
        shape.check(qkv, operation: "causalAttention")
        precondition(
            dropout.map { $0.sampleIndices.count == shape.batch } ?? true,
            "causalAttention: dropout needs the number of each of the \(shape.batch) sequences")
        let mark = mark()
        let y = makeTensor(rows: shape.tokens, columns: shape.outputColumns)
        let logSumExp = isRecording ? allocateSaved(shape.tokens * shape.heads) : nil
        if let rotary { rotate(value(qkv), shape, by: rotary) }
        let inputs = AttentionInputs(qkv: value(qkv), shape: shape, dropout: dropout)
        attend(inputs, into: value(y), logSumExp: logSumExp)
        if let logSumExp {
            record(
                CausalAttention(qkv: qkv, y: y, shape: shape, rotary: rotary, dropout: dropout, logSumExp: logSumExp),
                since: mark)
        }
        return y
    }

    /// Rotates the queries and keys of every row, each by its position in its sequence.
    func rotate(
        _ qkv: UnsafeMutablePointer<Float>, _ shape: AttentionShape, by rotary: RotaryTable, firstPosition: Int = 0,
        inverse: Bool = false
    ) {
        precondition(
            rotary.headSize == shape.headSize && firstPosition + shape.sequence <= rotary.contextLength,
            """
            rotary embedding: a table for heads of \(rotary.headSize) and \(rotary.contextLength) positions cannot rotate \
            heads of \(shape.headSize) at positions up to \(firstPosition + shape.sequence)
            """)
        let heads = shape.heads + shape.keyValueHeads
        pool.forEachRange(shape.tokens, tileSize: RowTiles.size(columns: heads * shape.headSize)) { rows, _ in
            for row in rows {
                rotary.rotate(
                    qkv + row * shape.inputColumns, heads: heads, position: firstPosition + row % shape.sequence,
                    inverse: inverse)
            }
        }
    }

    /// The forward pass: one tile for each block of queries of each head of each sequence.
    ///
    /// - Parameter logSumExp: `[batch, heads, sequence]`.
    func attend(
        _ inputs: AttentionInputs, into output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>?
    ) {
        let shape = inputs.shape
        let blocks = (shape.sequence + AttentionForward.queryBlock - 1) / AttentionForward.queryBlock
        let scratchCount = AttentionForward.scratchCount(headSize: shape.headSize)
        withScratch(pool.threadCount * scratchCount) { scratch in
            pool.forEachTile(shape.batch * shape.heads * blocks) { tile, thread in
                let sequence = tile / blocks / shape.heads
                let head = tile / blocks % shape.heads
                // The last block sees the most keys: it goes first, so that the threads end together.
                let block = blocks - 1 - tile % blocks
                let first = block * AttentionForward.queryBlock
                AttentionForward.run(
                    inputs.head(head, sequence: sequence),
                    rows: first..<min(first + AttentionForward.queryBlock, shape.sequence),
                    into: output + sequence * shape.sequence * shape.outputColumns + head * shape.headSize,
                    outputStride: shape.outputColumns,
                    logSumExp: logSumExp.map { $0 + (sequence * shape.heads + head) * shape.sequence },
                    scratch: scratch + thread * scratchCount)
            }
        }
    }
}

/// The matrices of an attention and where its heads lie in them.
struct AttentionInputs {
    let shape: AttentionShape
    let dropout: AttentionDropout?
    /// Rows of queries, `shape.sequence` of each sequence.
    private let queries: UnsafePointer<Float>
    private let queryStride: Int
    /// Rows of keys and of values.
    private let keys: UnsafePointer<Float>
    private let values: UnsafePointer<Float>
    private let keyValueStride: Int
    /// Rows of keys, and of values, from one sequence to the next.
    private let keyRows: Int
    private let firstPosition: Int

    /// Queries, keys and values side by side in one matrix.
    init(qkv: UnsafePointer<Float>, shape: AttentionShape, dropout: AttentionDropout?) {
        self.shape = shape
        self.dropout = dropout
        queries = qkv
        queryStride = shape.inputColumns
        keys = qkv + shape.outputColumns
        values = qkv + shape.outputColumns + shape.keyValueColumns
        keyValueStride = shape.inputColumns
        keyRows = shape.sequence
        firstPosition = 0
    }

    /// Queries in the first columns of a matrix; keys and values, also those of earlier positions, in a cache.
    init(queriesOf qkv: UnsafePointer<Float>, shape: AttentionShape, cache: KeyValueCacheLayer, firstPosition: Int) {
        self.shape = shape
        dropout = nil
        queries = qkv
        queryStride = shape.inputColumns
        keys = UnsafePointer(cache.keys)
        values = UnsafePointer(cache.values)
        keyValueStride = shape.keyValueColumns
        keyRows = cache.contextLength
        self.firstPosition = firstPosition
    }

    /// One query head of one sequence, with the key/value head of its group.
    func head(_ head: Int, sequence: Int) -> AttentionHead {
        let keyOffset = sequence * keyRows * keyValueStride + head / shape.groupSize * shape.headSize
        return AttentionHead(
            queries: queries + sequence * shape.sequence * queryStride + head * shape.headSize,
            queryStride: queryStride,
            keys: keys + keyOffset, values: values + keyOffset, keyValueStride: keyValueStride,
            headSize: shape.headSize,
            firstPosition: firstPosition, mask: dropout?.mask(sequence: sequence, head: shape.firstHead + head))
    }
}
