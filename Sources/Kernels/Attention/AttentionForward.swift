import Foundation

/// Causal attention with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022): blocks of queries walk the
/// keys they may see, and no more of the score matrix exists than one block of it.
public enum AttentionForward {
    /// Queries of one block, the unit of work of a thread. Fixed, so that any number of threads gives the same bits.
    public static let queryBlock = 96
    /// Keys whose scores exist at one time.
    public static let keyBlock = 192

    /// Floats of scratch memory that a call of `run` needs.
    public static func scratchCount(headSize: Int) -> Int {
        keyBlock * queryBlock + (queryBlock + keyBlock) * headSize + 4 * queryBlock + 2 * keyBlock + 64
    }

    /// Computes the outputs of some queries.
    ///
    /// - Parameters:
    ///   - rows: query rows, at most `queryBlock` of them.
    ///   - output: row 0 of the head's outputs, `[queries, headSize]` with `outputStride`.
    ///   - logSumExp: row 0 of the head's `[queries]`: receives the logarithm of each softmax's denominator, which is all
    ///     that the backward pass needs to compute the weights again.
    ///   - scratch: `scratchCount` floats.
    public static func run(
        _ head: AttentionHead, rows: Range<Int>, into output: UnsafeMutablePointer<Float>, outputStride: Int,
        logSumExp: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>,
        vectors: VectorWidth = .native
    ) {
        let outputs = output + rows.lowerBound * outputStride
        let statistics = logSumExp.map { $0 + rows.lowerBound }
        switch vectors {
        case .bits256:
            run(RegisterTile256.self, head, rows, into: outputs, outputStride, logSumExp: statistics, scratch)
        case .bits512:
            run(RegisterTile512.self, head, rows, into: outputs, outputStride, logSumExp: statistics, scratch)
        }
    }

    @inline(__always)
    private static func run<Tile: RegisterTile>(
        _: Tile.Type, _ head: AttentionHead, _ rows: Range<Int>, into outputs: UnsafeMutablePointer<Float>,
        _ outputStride: Int, logSumExp: UnsafeMutablePointer<Float>?, _ scratch: UnsafeMutablePointer<Float>
    ) {
        let headSize = head.headSize
        let queries = rows.count
        let stride = ScoreBlock<Tile>.stride(queries: queries)
        // [headSize, stride] | [keyBlock, stride] | [keyBlock, headSize] | four rows of queries | one of keys
        let transposedQueries = scratch
        let scores = transposedQueries + headSize * queryBlock
        let values = scores + keyBlock * queryBlock
        let maxima = values + keyBlock * headSize + 16
        let (newMaxima, sums, blockSums) = (maxima + queryBlock, maxima + 2 * queryBlock, maxima + 3 * queryBlock)
        let factors = maxima + 4 * queryBlock
        transposeHead(
            head.queries + rows.lowerBound * head.queryStride, stride: head.queryStride, rows: queries,
            headSize: headSize, scale: head.scale, into: transposedQueries, targetStride: stride)
        maxima.update(repeating: -.infinity, count: queries)
        sums.update(repeating: 0, count: queries)

        let firstPosition = head.firstPosition + rows.lowerBound
        let keyCount = head.visibleKeys(before: rows.upperBound)
        for firstKey in Swift.stride(from: 0, to: keyCount, by: keyBlock) {
            let block = ScoreBlock<Tile>(
                keys: head.positions(ofKeys: firstKey..<min(firstKey + keyBlock, keyCount)),
                firstPosition: firstPosition, queries: queries)
            block.multiply(
                head.keys + firstKey * head.keyValueStride, leftStride: head.keyValueStride, by: transposedQueries,
                headSize: headSize, into: scores)
            newMaxima.update(from: maxima, count: queries)
            blockSums.update(repeating: 0, count: queries)
            for key in 0..<block.keys.count {
                let first = block.firstQuery(seeing: key)
                raise(newMaxima + first, to: scores + key * stride + first, count: queries - first)
            }
            for key in 0..<block.keys.count {
                let (first, row) = (block.firstQuery(seeing: key), scores + key * stride)
                exponentiate(
                    row + first, minus: newMaxima + first, count: queries - first, addingTo: blockSums + first)
                block.clearUnseen(row, firstQuery: first)
            }
            if firstKey == 0 {
                sums.update(from: blockSums, count: queries)
            } else {
                for query in 0..<queries {
                    let correction = exponential(maxima[query] - newMaxima[query])
                    sums[query] = blockSums[query].addingProduct(sums[query], correction)
                    let row = outputs + query * outputStride
                    if correction != 1 { for channel in 0..<headSize { row[channel] *= correction } }
                }
            }
            maxima.update(from: newMaxima, count: queries)
            if let mask = head.mask { apply(mask, to: scores, block, factors: factors) }
            gatherHead(
                head.values + firstKey * head.keyValueStride, stride: head.keyValueStride, rows: block.keys.count,
                headSize: headSize, into: values)
            block.sumOverKeys(
                scores, of: values, headSize: headSize, into: outputs, resultStride: outputStride,
                accumulates: firstKey > 0)
        }
        for query in 0..<queries {
            let (inverse, row) = (1 / sums[query], outputs + query * outputStride)
            for channel in 0..<headSize { row[channel] *= inverse }
            logSumExp?[query] = maxima[query] + log(sums[query])
        }
    }

    @inline(__always)
    private static func apply<Tile: RegisterTile>(
        _ mask: AttentionMask, to weights: UnsafeMutablePointer<Float>, _ block: ScoreBlock<Tile>,
        factors: UnsafeMutablePointer<Float>
    ) {
        mask.forEachFactor(block, factors: factors) { key, query, factor in
            weights[key * block.stride + query] *= factor
        }
    }
}

extension AttentionMask {
    /// Calls `body` for each pair of a key and a query that sees it.
    ///
    /// - Parameter factors: memory for as many floats as the block has keys.
    @inline(__always)
    func forEachFactor<Tile: RegisterTile>(
        _ block: ScoreBlock<Tile>, factors: UnsafeMutablePointer<Float>,
        _ body: (_ key: Int, _ query: Int, _ factor: Float) -> Void
    ) {
        for query in 0..<block.queries {
            let position = block.firstPosition + query
            let visible = min(position + 1 - block.keys.lowerBound, block.keys.count)
            guard visible > 0 else { continue }
            write(query: position, keys: block.keys.lowerBound..<block.keys.lowerBound + visible, into: factors)
            for key in 0..<visible { body(key, query, factors[key]) }
        }
    }
}
