/// The gradients of causal attention, block by block: the weights are computed again from queries, keys and the
/// forward pass's `logSumExp` (Dao et al. 2022), so that no score matrix is ever stored.
///
/// With weights P, outputs O and gradients dO, dP = dO·Vᵀ and dS = P ∘ (dP - rowsum(dO ∘ O)):
/// dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO.
public enum AttentionBackward {
    /// Queries of a block, and keys of a block. Fixed, so that any number of threads gives the same bits.
    public static let block = 96

    /// Floats of scratch memory that `prepare` and `run` need.
    public static func scratchCount(headSize: Int) -> Int {
        3 * block * block + 5 * (block * headSize + 16) + block + 64
    }

    /// What the forward pass left of one head and the gradient that arrives; pointers are to row 0.
    public struct Outputs {
        /// The gradient of the outputs, `[queries, headSize]`.
        public var gradient: UnsafePointer<Float>
        public var stride: Int
        /// `[queries]`.
        public var logSumExp: UnsafePointer<Float>
        /// `[queries]`: rowsum(dO ∘ O).
        public var products: UnsafePointer<Float>

        public init(
            gradient: UnsafePointer<Float>, stride: Int, logSumExp: UnsafePointer<Float>,
            products: UnsafePointer<Float>
        ) {
            self.gradient = gradient
            self.stride = stride
            self.logSumExp = logSumExp
            self.products = products
        }
    }

    /// Where gradients go, laid out as the head's queries, keys and values are; nil for those not wanted.
    public struct Gradients {
        public var queries: UnsafeMutablePointer<Float>?
        public var keysAndValues: (keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>)?
        /// Whether first contributions too are added to what is there, instead of overwriting it.
        public var accumulates: Bool

        public init(
            queries: UnsafeMutablePointer<Float>?,
            keysAndValues: (keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>)?,
            accumulates: Bool = false
        ) {
            self.queries = queries
            self.keysAndValues = keysAndValues
            self.accumulates = accumulates
        }
    }

    /// Adds the contributions of one block of queries to the gradients of these and of some blocks of keys.
    ///
    /// Every caller must pass the same blocks in the same order for each element of a gradient (for queries, ascending
    /// keys; for keys, ascending heads of the group, then ascending queries), whatever the order of its loops: the sums
    /// are then the same bits.
    ///
    /// - Parameters:
    ///   - rows: a block of queries.
    ///   - keyBlocks: Numbers of the blocks of keys, ascending, none of them beyond what the queries see.
    ///   - isFirstHead: whether the head is the first of its group, whose first contribution to the gradients of keys
    ///     and values overwrites what is there.
    ///   - scratch: `scratchCount` floats.
    public static func run(
        _ head: AttentionHead, _ outputs: Outputs, rows: Range<Int>, keyBlocks: Range<Int>, isFirstHead: Bool,
        into gradients: Gradients, scratch: UnsafeMutablePointer<Float>, vectors: VectorWidth = .native
    ) {
        switch vectors {
        case .bits256:
            run(RegisterTile256.self, head, outputs, rows, keyBlocks, isFirstHead, into: gradients, scratch)
        case .bits512:
            run(RegisterTile512.self, head, outputs, rows, keyBlocks, isFirstHead, into: gradients, scratch)
        }
    }

    @inline(__always)
    private static func run<Tile: RegisterTile>(
        _: Tile.Type, _ head: AttentionHead, _ outputs: Outputs, _ rows: Range<Int>, _ keyBlocks: Range<Int>,
        _ isFirstHead: Bool, into gradients: Gradients, _ scratch: UnsafeMutablePointer<Float>
    ) {
        let headSize = head.headSize
        let stride = ScoreBlock<Tile>.stride(queries: rows.count)
        let memory = Memory(scratch, headSize: headSize)
        let queryRows = head.queries + rows.lowerBound * head.queryStride
        let outputGradient = outputs.gradient + rows.lowerBound * outputs.stride
        transposeHead(
            queryRows, stride: head.queryStride, rows: rows.count, headSize: headSize, scale: head.scale,
            into: memory.transposedQueries, targetStride: stride)
        transposeHead(
            outputGradient, stride: outputs.stride, rows: rows.count, headSize: headSize, scale: 1,
            into: memory.transposedGradient, targetStride: stride)
        if gradients.keysAndValues != nil {
            gatherHead(
                queryRows, stride: head.queryStride, rows: rows.count, headSize: headSize, into: memory.queries)
            gatherHead(
                outputGradient, stride: outputs.stride, rows: rows.count, headSize: headSize, into: memory.gradient)
        }
        let keyCount = head.visibleKeys(before: rows.upperBound)
        for keyBlock in keyBlocks {
            let keys = keyBlock * block..<min((keyBlock + 1) * block, keyCount)
            let scores = ScoreBlock<Tile>(
                keys: head.positions(ofKeys: keys), firstPosition: head.firstPosition + rows.lowerBound,
                queries: rows.count)
            let offset = keys.lowerBound * head.keyValueStride
            scores.multiply(
                head.keys + offset, leftStride: head.keyValueStride, by: memory.transposedQueries, headSize: headSize,
                into: memory.weights)
            scores.multiply(
                head.values + offset, leftStride: head.keyValueStride, by: memory.transposedGradient,
                headSize: headSize, into: memory.scoreGradients)
            differentiate(
                scores, memory, logSumExp: outputs.logSumExp + rows.lowerBound,
                products: outputs.products + rows.lowerBound, head)
            if let target = gradients.queries {
                gatherHead(
                    head.keys + offset, stride: head.keyValueStride, rows: keys.count, headSize: headSize,
                    into: memory.keys)
                scores.sumOverKeys(
                    memory.scoreGradients, of: memory.keys, headSize: headSize,
                    into: target + rows.lowerBound * head.queryStride, resultStride: head.queryStride,
                    accumulates: keyBlock > 0 || gradients.accumulates)
            }
            if let (dKeys, dValues) = gradients.keysAndValues {
                // Where gradients are overwritten, the block of queries that begins with these keys is the first to see
                // them.
                let accumulates = gradients.accumulates || !isFirstHead || rows.lowerBound > keys.lowerBound
                scores.sumOverQueries(
                    memory.scoreGradients, of: memory.queries, headSize: headSize, into: dKeys + offset,
                    resultStride: head.keyValueStride, accumulates: accumulates)
                scores.sumOverQueries(
                    memory.weights, of: memory.gradient, headSize: headSize, into: dValues + offset,
                    resultStride: head.keyValueStride, accumulates: accumulates)
            }
        }
    }

    /// Turns scores into weights, and the weights' gradients into those of the products of queries and keys.
    @inline(__always)
    private static func differentiate<Tile: RegisterTile>(
        _ block: ScoreBlock<Tile>, _ memory: Memory, logSumExp: UnsafePointer<Float>, products: UnsafePointer<Float>,
        _ head: AttentionHead
    ) {
        let (stride, queries, scale) = (block.stride, block.queries, head.scale)
        let (weights, scoreGradients, masks) = (memory.weights, memory.scoreGradients, memory.maskFactors)
        head.mask?.forEachFactor(block, factors: memory.keyFactors) { key, query, factor in
            masks[key * stride + query] = factor
        }
        for key in 0..<block.keys.count {
            let first = block.firstQuery(seeing: key)
            let (p, ds, mask) = (weights + key * stride, scoreGradients + key * stride, masks + key * stride)
            if head.mask == nil {
                for query in first..<queries {
                    let weight = exponential(p[query] - logSumExp[query])
                    ds[query] = weight * (ds[query] - products[query]) * scale
                    p[query] = weight
                }
            } else {
                for query in first..<queries {
                    let weight = exponential(p[query] - logSumExp[query])
                    ds[query] = weight * (ds[query] * mask[query] - products[query]) * scale
                    p[query] = weight * mask[query]
                }
            }
            block.clearUnseen(p, firstQuery: first)
            block.clearUnseen(ds, firstQuery: first)
        }
    }

    /// How the scratch memory is shared out.
    private struct Memory {
        /// `[keys, queries]` each.
        let weights, scoreGradients, maskFactors: UnsafeMutablePointer<Float>
        /// `[headSize, queries]` each.
        let transposedQueries, transposedGradient: UnsafeMutablePointer<Float>
        /// `[rows, headSize]` each, and a vector that tiles may read beyond the end.
        let queries, gradient, keys: UnsafeMutablePointer<Float>
        /// `[keys]`
        let keyFactors: UnsafeMutablePointer<Float>

        init(_ scratch: UnsafeMutablePointer<Float>, headSize: Int) {
            let (square, rows) = (block * block, block * headSize + 16)
            weights = scratch
            scoreGradients = weights + square
            maskFactors = scoreGradients + square
            transposedQueries = maskFactors + square
            transposedGradient = transposedQueries + rows
            queries = transposedGradient + rows
            gradient = queries + rows
            keys = gradient + rows
            keyFactors = keys + rows
        }
    }
}
