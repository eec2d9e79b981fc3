import Foundation

extension AttentionForward {
    /// Puts attention over more keys together with attention over those before, for some queries of one head.
    ///
    /// With o and l the outputs and logarithms of denominators over two sets of keys, those over both are
    /// l = log(exp(l₁) + exp(l₂)) and o = exp(l₁ - l)·o₁ + exp(l₂ - l)·o₂ (Liu et al. 2023).
    ///
    /// - Parameters:
    ///   - part: `[rows, headSize]` without gaps.
    ///   - partLogSumExp: `[rows]`.
    ///   - output: `[rows, headSize]` with `outputStride`.
    ///   - logSumExp: `[rows]`.
    public static func merge(
        _ part: UnsafePointer<Float>, logSumExp partLogSumExp: UnsafePointer<Float>, rows: Int, headSize: Int,
        into output: UnsafeMutablePointer<Float>, outputStride: Int, logSumExp: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let (before, more) = (logSumExp[row], partLogSumExp[row])
            let largest = max(before, more)
            let total = largest + log(exp(before - largest) + exp(more - largest))
            let (keeps, adds) = (exp(before - total), exp(more - total))
            let (target, source) = (output + row &* outputStride, part + row &* headSize)
            for channel in 0..<headSize { target[channel] = target[channel] * keeps + source[channel] * adds }
            logSumExp[row] = total
        }
    }
}
