import Kernels

/// The loops of attention's backward pass over blocks of queries and keys.
///
/// A group is a key/value head of a sequence with the query heads that share it. There are two orders with the same
/// results to the bit: a whole group in one tile, or, where there are too few groups to keep the threads busy, one tile
/// for each block of keys (dK and dV) and one for each block of queries (dQ). The second computes the weights twice: 7
/// matrix products instead of 5.
package struct AttentionBackwardBlocks {
    private let inputs: AttentionInputs
    private let outputs: AttentionBackward.Outputs
    private let gradients: Gradients

    /// Where gradients go: laid out as the queries, keys and values of the inputs are.
    package struct Gradients {
        var queries: UnsafeMutablePointer<Float>
        var keys: UnsafeMutablePointer<Float>
        var values: UnsafeMutablePointer<Float>
        var accumulates: Bool

        /// - Parameter accumulates: whether first contributions too are added to what is there.
        package init(
            queries: UnsafeMutablePointer<Float>, keys: UnsafeMutablePointer<Float>,
            values: UnsafeMutablePointer<Float>, accumulates: Bool
        ) {
            self.queries = queries
            self.keys = keys
            self.values = values
            self.accumulates = accumulates
        }
    }

    /// - Parameters:
    ///   - dy: The gradient of the outputs, from the first query's row on.
    ///   - logSumExp: `[batch, heads, queryRows]`, from the first query on.
    ///   - products: The same, of `Tape.attentionProducts`.
    package init(
        _ inputs: AttentionInputs, dy: UnsafePointer<Float>, logSumExp: UnsafePointer<Float>,
        products: UnsafePointer<Float>, into gradients: Gradients
    ) {
        self.inputs = inputs
        outputs = AttentionBackward.Outputs(
            gradient: dy, stride: inputs.shape.outputColumns, logSumExp: logSumExp, products: products)
        self.gradients = gradients
    }

    private var shape: AttentionShape { inputs.shape }
    private var groups: Int { shape.batch * shape.keyValueHeads }
    private var queryBlocks: Int { Self.blocks(of: shape.sequence) }
    private var keyBlocks: Int { Self.blocks(of: inputs.visibleKeys(before: shape.sequence)) }

    private static func blocks(of rows: Int) -> Int {
        (rows + AttentionBackward.block - 1) / AttentionBackward.block
    }

    /// Computes the gradients.
    ///
    /// - Parameter betweenTiles: called by the thread that starts the loops, between its tiles.
    package func run(on tape: Tape, betweenTiles: () -> Void = {}) {
        let scratchCount = AttentionBackward.scratchCount(headSize: shape.headSize)
        let keyTiles = groups * keyBlocks
        tape.withScratch(tape.pool.threadCount * scratchCount) { scratch in
            if splitsGroups(over: tape.pool.threadCount) {
                tape.pool.forEachTile(keyTiles + shape.batch * shape.heads * queryBlocks) { tile, thread in
                    if thread == 0 { betweenTiles() }
                    if tile < keyTiles {
                        runKeyTile(tile, scratch: scratch + thread * scratchCount)
                    } else {
                        runQueryTile(tile - keyTiles, scratch: scratch + thread * scratchCount)
                    }
                }
            } else {
                tape.pool.forEachTile(groups) { group, thread in
                    if thread == 0 { betweenTiles() }
                    runGroup(group, scratch: scratch + thread * scratchCount)
                }
            }
        }
    }

    /// Whether the second order ends sooner: 7/5 of the work spread evenly against whole groups.
    private func splitsGroups(over threads: Int) -> Bool {
        let rounds = (groups + threads - 1) / threads
        return queryBlocks > 1 && 5 * rounds * threads > 7 * groups
    }

    /// All gradients of a group.
    private func runGroup(_ group: Int, scratch: UnsafeMutablePointer<Float>) {
        forEachHead(of: group) { head, sequence, isFirst in
            for queries in 0..<queryBlocks {
                run(
                    head: head, sequence: sequence, queries: queries, keys: 0..<keysSeen(by: queries),
                    isFirstHead: isFirst, withQueries: true, withKeys: true, scratch: scratch)
            }
        }
    }

    /// The gradients of one block of keys and values.
    private func runKeyTile(_ tile: Int, scratch: UnsafeMutablePointer<Float>) {
        let (group, keys) = tile.quotientAndRemainder(dividingBy: keyBlocks)
        let first = inputs.firstQuery(seeing: keys * AttentionBackward.block) / AttentionBackward.block
        forEachHead(of: group) { head, sequence, isFirst in
            for queries in first..<queryBlocks {
                run(
                    head: head, sequence: sequence, queries: queries, keys: keys..<keys + 1, isFirstHead: isFirst,
                    withQueries: false, withKeys: true, scratch: scratch)
            }
        }
    }

    /// The gradients of one block of queries.
    private func runQueryTile(_ tile: Int, scratch: UnsafeMutablePointer<Float>) {
        let (index, reversedBlock) = tile.quotientAndRemainder(dividingBy: queryBlocks)
        let (sequence, head) = index.quotientAndRemainder(dividingBy: shape.heads)
        // The last block sees the most keys and goes first.
        let queries = queryBlocks - 1 - reversedBlock
        run(
            head: head, sequence: sequence, queries: queries, keys: 0..<keysSeen(by: queries), isFirstHead: false,
            withQueries: true, withKeys: false, scratch: scratch)
    }

    private func forEachHead(of group: Int, _ body: (_ head: Int, _ sequence: Int, _ isFirst: Bool) -> Void) {
        let (sequence, keyValueHead) = group.quotientAndRemainder(dividingBy: shape.keyValueHeads)
        for index in 0..<shape.groupSize {
            body(keyValueHead * shape.groupSize + index, sequence, index == 0)
        }
    }

    private func rows(of block: Int) -> Range<Int> {
        let first = block * AttentionBackward.block
        return first..<min(first + AttentionBackward.block, shape.sequence)
    }

    /// Blocks of keys that a block of queries sees.
    private func keysSeen(by queries: Int) -> Int {
        Self.blocks(of: inputs.visibleKeys(before: rows(of: queries).upperBound))
    }

    private func run(
        head: Int, sequence: Int, queries: Int, keys: Range<Int>, isFirstHead: Bool, withQueries: Bool,
        withKeys: Bool, scratch: UnsafeMutablePointer<Float>
    ) {
        let statistics = (sequence * shape.heads + head) * inputs.queryRows
        var outputs = outputs
        outputs.gradient += sequence * inputs.queryRows * shape.outputColumns + head * shape.headSize
        outputs.logSumExp += statistics
        outputs.products += statistics
        let queryOffset = sequence * inputs.queryRows * inputs.queryStride + head * shape.headSize
        let keyOffset = sequence * inputs.keyRows * inputs.keyValueStride + head / shape.groupSize * shape.headSize
        AttentionBackward.run(
            inputs.head(head, sequence: sequence), outputs, rows: rows(of: queries), keyBlocks: keys,
            isFirstHead: isFirstHead,
            into: .init(
                queries: withQueries ? gradients.queries + queryOffset : nil,
                keysAndValues: withKeys ? (gradients.keys + keyOffset, gradients.values + keyOffset) : nil,
                accumulates: gradients.accumulates),
            scratch: scratch)
    }
}

extension Tape {
    /// rowsum(dO ∘ O) of each head: `[batch, heads, sequence]`.
    ///
    /// - Parameters:
    ///   - dy: `[batch·sequence, heads·headSize]`.
    ///   - outputs: the same shape.
    package func attentionProducts(
        _ dy: UnsafePointer<Float>, _ outputs: UnsafePointer<Float>, _ shape: AttentionShape,
        into products: UnsafeMutablePointer<Float>
    ) {
        let (columns, headSize) = (shape.outputColumns, shape.headSize)
        pool.forEachRange(shape.tokens, tileSize: RowTiles.size(columns: columns)) { rows, _ in
            for row in rows {
                let (sequence, position) = row.quotientAndRemainder(dividingBy: shape.sequence)
                for head in 0..<shape.heads {
                    let offset = row * columns + head * headSize
                    products[(sequence * shape.heads + head) * shape.sequence + position] = dotProduct(
                        dy + offset, outputs + offset, count: headSize)
                }
            }
        }
    }
}
