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
        if let rotary { rotate(value(qkv), shape, by: rotary, TokenPositions(sequenceLength: shape.sequence)) }
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
    package func rotate(
        _ qkv: UnsafeMutablePointer<Float>, _ shape: AttentionShape, by rotary: RotaryTable,
        _ positions: TokenPositions,
        inverse: Bool = false
    ) {
        precondition(
            rotary.headSize == shape.headSize && positions.end <= rotary.contextLength,
            """
            rotary embedding: a table for heads of \(rotary.headSize) and \(rotary.contextLength) positions cannot rotate \
            heads of \(shape.headSize) at positions up to \(positions.end)
            """)
        let heads = shape.heads + shape.keyValueHeads
        pool.forEachRange(shape.tokens, tileSize: RowTiles.size(columns: heads * shape.headSize)) { rows, _ in
            for row in rows {
                rotary.rotate(
                    qkv + row * shape.inputColumns, heads: heads, position: positions.position(ofRow: row),
                    inverse: inverse)
            }
        }
    }

    /// The forward pass: one tile for each block of queries of each head of each sequence.
    ///
    /// - Parameters:
    ///   - output: From the first query's row on.
    ///   - logSumExp: `[batch, heads, queryRows]`, from the first query on.
    ///   - merges: Whether output and `logSumExp` have the queries' attention over other keys, which these are put
    ///     together with.
    ///   - betweenTiles: called by the thread that starts the loop, between its tiles.
    package func attend(
        _ inputs: AttentionInputs, into output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>?,
        merges: Bool = false, betweenTiles: () -> Void = {}
    ) {
        let (shape, rowCount) = (inputs.shape, inputs.queryRows)
        let blocks = (shape.sequence + AttentionForward.queryBlock - 1) / AttentionForward.queryBlock
        let partCount = merges ? AttentionForward.queryBlock * (shape.headSize + 1) : 0
        let scratchCount = AttentionForward.scratchCount(headSize: shape.headSize) + partCount
        withScratch(pool.threadCount * scratchCount) { scratch in
            pool.forEachTile(shape.batch * shape.heads * blocks) { tile, thread in
                if thread == 0 { betweenTiles() }
                let sequence = tile / blocks / shape.heads
                let head = tile / blocks % shape.heads
                // The last block sees the most keys: it goes first, so that the threads end together.
                let first = (blocks - 1 - tile % blocks) * AttentionForward.queryBlock
                let rows = first..<min(first + AttentionForward.queryBlock, shape.sequence)
                let outputs = output + sequence * rowCount * shape.outputColumns + head * shape.headSize
                let statistics = logSumExp.map { $0 + (sequence * shape.heads + head) * rowCount }
                let part = scratch + thread * scratchCount
                guard merges, let statistics else {
                    AttentionForward.run(
                        inputs.head(head, sequence: sequence), rows: rows, into: outputs,
                        outputStride: shape.outputColumns, logSumExp: statistics, scratch: part)
                    return
                }
                let partLogSumExp = part + AttentionForward.queryBlock * shape.headSize
                AttentionForward.run(
                    inputs.head(head, sequence: sequence), rows: rows, into: part - first * shape.headSize,
                    outputStride: shape.headSize, logSumExp: partLogSumExp - first, scratch: part + partCount)
                AttentionForward.merge(
                    part, logSumExp: partLogSumExp, rows: rows.count, headSize: shape.headSize,
                    into: outputs + first * shape.outputColumns, outputStride: shape.outputColumns,
                    logSumExp: statistics + first)
            }
        }
    }
}
