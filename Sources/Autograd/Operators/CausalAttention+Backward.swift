import Kernels
import Numerics

struct CausalAttention: Operator {
    let qkv: Tensor
    let y: Tensor
    let shape: AttentionShape
    let rotary: RotaryTable?
    let dropout: AttentionDropout?
    /// `[batch, heads, sequence]`: the logarithm of each softmax's denominator.
    let logSumExp: UnsafeMutablePointer<Float>

    static let name: StaticString = "causal attention"

    /// Scores and outputs forwards; backwards five products, because the weights are not kept but computed again. Half of
    /// each: no query sees later keys.
    func cost(on tape: Tape) -> OperatorCost {
        let visible = Double(shape.batch * shape.heads) * Double(shape.sequence * (shape.sequence + 1) / 2)
        let product = Trace.Work(operations: 2 * visible * Double(shape.headSize))
        return OperatorCost(
            forward: product + product + .moving(qkv.count + y.count),
            backward: product + product + product + product + product + .moving(2 * qkv.count + 2 * y.count),
            shape: .init(rows: qkv.rows, inputs: qkv.columns, outputs: y.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(qkv) else { return }
        tape.withScratch(shape.tokens * shape.heads) { products in
            computeProducts(dy, into: products, on: tape)
            guard sink.accumulates else {
                writeGradient(dy, products: products, into: sink.pointer, on: tape)
                return
            }
            // Rotation back is in place, so that the new gradient has to be whole before it is added.
            tape.withScratch(qkv.count) { gradient in
                writeGradient(dy, products: products, into: gradient, on: tape)
                tape.pool.forEachRange(qkv.count, tileSize: 1 << 15) { range, _ in
                    for index in range { sink.pointer[index] += gradient[index] }
                }
            }
        }
    }

    /// rowsum(dO ∘ O) of each head: `[batch, heads, sequence]`.
    private func computeProducts(
        _ dy: UnsafePointer<Float>, into products: UnsafeMutablePointer<Float>, on tape: Tape
    ) {
        let outputs = tape.value(y)
        let (columns, headSize) = (shape.outputColumns, shape.headSize)
        tape.pool.forEachRange(shape.tokens, tileSize: RowTiles.size(columns: columns)) { rows, _ in
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

    private func writeGradient(
        _ dy: UnsafePointer<Float>, products: UnsafePointer<Float>, into gradient: UnsafeMutablePointer<Float>,
        on tape: Tape
    ) {
        let blocks = AttentionBackwardBlocks(
            shape: shape, inputs: AttentionInputs(qkv: tape.value(qkv), shape: shape, dropout: dropout), dy: dy,
            products: products, logSumExp: logSumExp, gradient: gradient)
        let scratchCount = AttentionBackward.scratchCount(headSize: shape.headSize)
        tape.withScratch(tape.pool.threadCount * scratchCount) { scratch in
            if blocks.splitsGroups(over: tape.pool.threadCount) {
                tape.pool.forEachTile(blocks.keyTiles + blocks.queryTiles) { tile, thread in
                    if tile < blocks.keyTiles {
                        blocks.runKeyTile(tile, scratch: scratch + thread * scratchCount)
                    } else {
                        blocks.runQueryTile(tile - blocks.keyTiles, scratch: scratch + thread * scratchCount)
                    }
                }
            } else {
                tape.pool.forEachTile(blocks.groups) { group, thread in
                    blocks.runGroup(group, scratch: scratch + thread * scratchCount)
                }
            }
        }
        if let rotary { tape.rotate(gradient, shape, by: rotary, inverse: true) }
    }
}

/// The loops of the backward pass over blocks of queries and keys.
///
/// A group is a key/value head of a sequence with the query heads that share it. There are two orders with the same
/// results to the bit: a whole group in one tile, or, where there are too few groups to keep the threads busy, one tile
/// for each block of keys (dK and dV) and one for each block of queries (dQ). The second computes the weights twice: 7
/// matrix products instead of 5.
private struct AttentionBackwardBlocks {
    let shape: AttentionShape
    let inputs: AttentionInputs
    let dy: UnsafePointer<Float>
    let products: UnsafePointer<Float>
    let logSumExp: UnsafePointer<Float>
    let gradient: UnsafeMutablePointer<Float>

    var groups: Int { shape.batch * shape.keyValueHeads }
    private var blocks: Int { (shape.sequence + AttentionBackward.block - 1) / AttentionBackward.block }
    var keyTiles: Int { groups * blocks }
    var queryTiles: Int { shape.batch * shape.heads * blocks }

    /// Whether the second order ends sooner: 7/5 of the work spread evenly against whole groups.
    func splitsGroups(over threads: Int) -> Bool {
        let rounds = (groups + threads - 1) / threads
        return blocks > 1 && 5 * rounds * threads > 7 * groups
    }

    /// All gradients of a group.
    func runGroup(_ group: Int, scratch: UnsafeMutablePointer<Float>) {
        forEachHead(of: group) { head, sequence, isFirst in
            for queries in 0..<blocks {
                run(
                    head: head, sequence: sequence, queries: queries, keys: 0..<queries + 1, isFirstHead: isFirst,
                    withQueries: true, withKeys: true, scratch: scratch)
            }
        }
    }

    /// The gradients of one block of keys and values.
    func runKeyTile(_ tile: Int, scratch: UnsafeMutablePointer<Float>) {
        let (group, keys) = tile.quotientAndRemainder(dividingBy: blocks)
        forEachHead(of: group) { head, sequence, isFirst in
            for queries in keys..<blocks {
                run(
                    head: head, sequence: sequence, queries: queries, keys: keys..<keys + 1, isFirstHead: isFirst,
                    withQueries: false, withKeys: true, scratch: scratch)
            }
        }
    }

    /// The gradients of one block of queries.
    func runQueryTile(_ tile: Int, scratch: UnsafeMutablePointer<Float>) {
        let (index, reversedBlock) = tile.quotientAndRemainder(dividingBy: blocks)
        let (sequence, head) = index.quotientAndRemainder(dividingBy: shape.heads)
        // The last block sees the most keys and goes first.
        let queries = blocks - 1 - reversedBlock
        run(
            head: head, sequence: sequence, queries: queries, keys: 0..<queries + 1, isFirstHead: false,
            withQueries: true, withKeys: false, scratch: scratch)
    }

    private func forEachHead(of group: Int, _ body: (_ head: Int, _ sequence: Int, _ isFirst: Bool) -> Void) {
        let (sequence, keyValueHead) = group.quotientAndRemainder(dividingBy: shape.keyValueHeads)
        for index in 0..<shape.groupSize {
            body(keyValueHead * shape.groupSize + index, sequence, index == 0)
        }
    }

    private func run(
        head: Int, sequence: Int, queries: Int, keys: Range<Int>, isFirstHead: Bool, withQueries: Bool,
        withKeys: Bool, scratch: UnsafeMutablePointer<Float>
    ) {
        let statistics = (sequence * shape.heads + head) * shape.sequence
        let outputs = AttentionBackward.Outputs(
            gradient: dy + sequence * shape.sequence * shape.outputColumns + head * shape.headSize,
            stride: shape.outputColumns, logSumExp: logSumExp + statistics, products: products + statistics)
        let sequenceGradient = gradient + sequence * shape.sequence * shape.inputColumns
        let keyGradient = sequenceGradient + shape.outputColumns + head / shape.groupSize * shape.headSize
        let first = queries * AttentionBackward.block
        AttentionBackward.run(
            inputs.head(head, sequence: sequence), outputs,
            rows: first..<min(first + AttentionBackward.block, shape.sequence), keyBlocks: keys,
            isFirstHead: isFirstHead,
            into: .init(
                queries: withQueries ? sequenceGradient + head * shape.headSize : nil,
                keysAndValues: withKeys ? (keyGradient, keyGradient + shape.keyValueColumns) : nil),
            scratch: scratch)
    }
}
