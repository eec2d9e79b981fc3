/// The gradients of causal attention, block by block: the weights are computed again from queries, keys and the
/// forward pass's `logSumExp` (Dao et al. 2022), so that no score matrix is ever stored.
///
/// With weights P, outputs O and gradients dO, dP = dO·Vᵀ and dS = P ∘ (dP - rowsum(dO ∘ O)):
/// dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO.
public enum AttentionBackward {
    /// Queries of one block.
    public static let queryBlock = 256
    /// Keys of one block, the unit of work of a thread. Fixed, so that any number of threads gives the same bits.
    public static let keyBlock = 64

    /// Floats of scratch memory that a call needs.
    public static var scratchCount: Int { 2 * queryBlock * keyBlock + keyBlock }

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
        /// Whether the gradients of keys and values have a sum already: from another head of the group.
        public var accumulates: Bool

        public init(
            queries: UnsafeMutablePointer<Float>?,
            keysAndValues: (keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>)?, accumulates: Bool
        ) {
            self.queries = queries
            self.keysAndValues = keysAndValues
            self.accumulates = accumulates
        }
    }

    /// Contributions of one block of keys and some queries.
    ///
    /// Every caller passes the same blocks in the same order for each element of a gradient, whatever the order of
    /// its loops: the sums are then the same bits.
    public static func run(
        _ head: AttentionHead, _ outputs: Outputs, rows block: Range<Int>, keys: Range<Int>, into gradients: Gradients,
        scratch: UnsafeMutablePointer<Float>
    ) {
        // Queries before the block's first key see none of it.
        let rows = max(block.lowerBound, keys.lowerBound)..<block.upperBound
        let weights = scratch
        let scoreGradients = weights + queryBlock * keyBlock
        let factors = scoreGradients + queryBlock * keyBlock
        let headSize = head.headSize
        let queries = head.queries + rows.lowerBound * head.queryStride
        let blockKeys = head.keys + keys.lowerBound * head.keyValueStride
        let blockValues = head.values + keys.lowerBound * head.keyValueStride
        let dOutputs = outputs.gradient + rows.lowerBound * outputs.stride
        let queryFactor = MatrixFactor(queries, stride: head.queryStride)
        let outputFactor = MatrixFactor(dOutputs, stride: outputs.stride)
        BLAS.multiply(
            m: rows.count, n: keys.count, k: headSize, alpha: head.scale, queryFactor,
            MatrixFactor(blockKeys, stride: head.keyValueStride, isTransposed: true), into: weights, stride: keys.count)
        BLAS.multiply(
            m: rows.count, n: keys.count, k: headSize, outputFactor,
            MatrixFactor(blockValues, stride: head.keyValueStride, isTransposed: true), into: scoreGradients,
            stride: keys.count)
        for row in 0..<rows.count {
            let query = rows.lowerBound + row
            let visible = min(query + 1, keys.upperBound) - keys.lowerBound
            let p = weights + row * keys.count
            let ds = scoreGradients + row * keys.count
            let (logSum, product) = (outputs.logSumExp[query], outputs.products[query])
            if let mask = head.mask {
                mask.write(query: query, keys: keys.lowerBound..<keys.lowerBound + visible, into: factors)
                for key in 0..<visible {
                    let weight = exponential(p[key] - logSum)
                    ds[key] = weight * (ds[key] * factors[key] - product)
                    p[key] = weight * factors[key]
                }
            } else {
                for key in 0..<visible {
                    let weight = exponential(p[key] - logSum)
                    ds[key] = weight * (ds[key] - product)
                    p[key] = weight
                }
            }
            (p + visible).update(repeating: 0, count: keys.count - visible)
            (ds + visible).update(repeating: 0, count: keys.count - visible)
        }
        if let dQueries = gradients.queries {
            BLAS.multiply(
                m: rows.count, n: headSize, k: keys.count, alpha: head.scale,
                MatrixFactor(scoreGradients, stride: keys.count), MatrixFactor(blockKeys, stride: head.keyValueStride),
                beta: keys.lowerBound == 0 ? 0 : 1, into: dQueries + rows.lowerBound * head.queryStride,
                stride: head.queryStride)
        }
        if let (dKeys, dValues) = gradients.keysAndValues {
            let beta: Float = gradients.accumulates ? 1 : 0
            let offset = keys.lowerBound * head.keyValueStride
            BLAS.multiply(
                m: keys.count, n: headSize, k: rows.count, alpha: head.scale,
                MatrixFactor(scoreGradients, stride: keys.count, isTransposed: true), queryFactor, beta: beta,
                into: dKeys + offset, stride: head.keyValueStride)
            BLAS.multiply(
                m: keys.count, n: headSize, k: rows.count,
                MatrixFactor(weights, stride: keys.count, isTransposed: true), outputFactor, beta: beta,
                into: dValues + offset, stride: head.keyValueStride)
        }
    }
}
