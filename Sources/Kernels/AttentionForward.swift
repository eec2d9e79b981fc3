import Foundation

/// Causal attention with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022): blocks of queries walk the
/// keys they may see, and no more of the score matrix exists than one block of it.
public enum AttentionForward {
    /// Queries of one block, the unit of work of a thread. Fixed, so that any number of threads gives the same bits.
    public static let queryBlock = 64
    /// Keys whose scores exist at one time.
    public static let keyBlock = 512

    /// Floats of scratch memory that a call of `run` needs.
    public static var scratchCount: Int { queryBlock * keyBlock + keyBlock + 2 * queryBlock }

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
        logSumExp: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
    ) {
        let scores = scratch
        let factors = scores + queryBlock * keyBlock
        let maxima = factors + keyBlock
        let sums = maxima + queryBlock
        let headSize = head.headSize
        let queries = head.queries + rows.lowerBound * head.queryStride
        let outputs = output + rows.lowerBound * outputStride
        let firstPosition = head.firstPosition + rows.lowerBound
        let keyCount = head.firstPosition + rows.upperBound

        for firstKey in stride(from: 0, to: keyCount, by: keyBlock) {
            let keys = firstKey..<min(firstKey + keyBlock, keyCount)
            let blockKeys = head.keys + firstKey * head.keyValueStride
            let blockValues = head.values + firstKey * head.keyValueStride
            BLAS.multiply(
                m: rows.count, n: keys.count, k: headSize, alpha: head.scale,
                MatrixFactor(queries, stride: head.queryStride),
                MatrixFactor(blockKeys, stride: head.keyValueStride, isTransposed: true), into: scores,
                stride: keys.count)
            for row in 0..<rows.count {
                let position = firstPosition + row
                let weights = scores + row * keys.count
                let visible = max(0, min(position + 1, keys.upperBound) - firstKey)
                let outputRow = outputs + row * outputStride
                let maximum = Kernels.maximum(weights, count: visible)
                if firstKey == 0 {
                    maxima[row] = maximum
                    sums[row] = exponentiate(weights, count: visible, minus: maximum)
                } else {
                    let newMaximum = max(maxima[row], maximum)
                    let correction = exponential(maxima[row] - newMaximum)
                    if correction != 1 { for column in 0..<headSize { outputRow[column] *= correction } }
                    sums[row] = (exponentiate(weights, count: visible, minus: newMaximum) as Float)
                        .addingProduct(sums[row], correction)
                    maxima[row] = newMaximum
                }
                (weights + visible).update(repeating: 0, count: keys.count - visible)
                if let mask = head.mask {
                    mask.write(query: position, keys: firstKey..<firstKey + visible, into: factors)
                    for key in 0..<visible { weights[key] *= factors[key] }
                }
            }
            BLAS.multiply(
                m: rows.count, n: headSize, k: keys.count, MatrixFactor(scores, stride: keys.count),
                MatrixFactor(blockValues, stride: head.keyValueStride), beta: firstKey == 0 ? 0 : 1, into: outputs,
                stride: outputStride)
        }
        for row in 0..<rows.count {
            let inverse = 1 / sums[row]
            let outputRow = outputs + row * outputStride
            for column in 0..<headSize { outputRow[column] *= inverse }
        }
        if let logSumExp {
            for row in 0..<rows.count { logSumExp[rows.lowerBound + row] = maxima[row] + log(sums[row]) }
        }
    }
}
