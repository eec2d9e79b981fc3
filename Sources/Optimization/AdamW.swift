import Kernels
import Numerics

/// AdamW over flat buffers: decoupled weight decay (Loshchilov & Hutter 2019), bias-corrected moments.
///
/// One pass over memory does everything: it scales the gradient for clipping, updates both moments and the parameter.
/// Work is cut into fixed tiles and no element depends on another, so the result is the same for any thread count.
public final class AdamW {
    /// A range of the flat buffers, and whether weight decay applies to it.
    public struct Segment: Sendable {
        public var range: Range<Int>
        public var isDecayed: Bool
        /// Which parameter it is part of, and where in the flat buffers that begins: they key stochastic rounding.
        public var parameter: Int
        public var parameterStart: Int

        public init(range: Range<Int>, isDecayed: Bool, parameter: Int = 0, parameterStart: Int = 0) {
            self.range = range
            self.isDecayed = isDecayed
            self.parameter = parameter
            self.parameterStart = parameterStart
        }
    }

    public let configuration: OptimizerConfiguration
    /// Running mean of the gradient, zero at first.
    public let firstMoment: FloatBuffer
    /// Running mean of its square, zero at first.
    public let secondMoment: FloatBuffer

    private let tiles: [Segment]
    private let moments: UnsafeMutableRawBufferPointer
    private let ownsMoments: Bool

    private static let tileSize = 1 << 14

    /// Bytes of both moments of `count` parameters.
    public static func momentBytes(count: Int, _ precision: MomentPrecision = .float32) -> Int {
        switch precision {
        case .float32: 2 * count * MemoryLayout<Float>.stride
        case .bfloat16: 2 * count * MemoryLayout<UInt16>.stride
        }
    }

    /// - Parameters:
    ///   - count: Floats in each flat buffer.
    ///   - segments: What is updated; elements outside all segments stay as they are.
    ///   - moments: Zeroed memory of `momentBytes(count:_:)` that outlives this; nil allocates it. Ranks that have it in
    ///     common each update segments of their own.
    public init(
        _ configuration: OptimizerConfiguration, count: Int, segments: [Segment],
        moments: UnsafeMutableRawBufferPointer? = nil
    ) {
        self.configuration = configuration
        let bytes = Self.momentBytes(count: count, configuration.momentPrecision)
        precondition(moments.map { $0.count == bytes } ?? true, "memory of the moments")
        ownsMoments = moments == nil
        self.moments = moments ?? Self.zeros(bytes)
        let halves = (self.moments.prefix(bytes / 2), self.moments.suffix(bytes / 2))
        switch configuration.momentPrecision {
        case .float32:
            firstMoment = .float32(UnsafeMutableRawBufferPointer(rebasing: halves.0).bindMemory(to: Float.self))
            secondMoment = .float32(UnsafeMutableRawBufferPointer(rebasing: halves.1).bindMemory(to: Float.self))
        case .bfloat16:
            firstMoment = .bfloat16(UnsafeMutableRawBufferPointer(rebasing: halves.0).bindMemory(to: UInt16.self))
            secondMoment = .bfloat16(UnsafeMutableRawBufferPointer(rebasing: halves.1).bindMemory(to: UInt16.self))
        }
        tiles = segments.flatMap { segment in
            stride(from: segment.range.lowerBound, to: segment.range.upperBound, by: Self.tileSize).map { start in
                var tile = segment
                tile.range = start..<min(start + Self.tileSize, segment.range.upperBound)
                return tile
            }
        }
    }

    deinit {
        if ownsMoments { Arena.deallocate(moments.baseAddress!.assumingMemoryBound(to: Float.self)) }
    }

    private static func zeros(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer(start: Arena.allocateAligned((bytes + 3) / 4), count: bytes)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        return memory
    }

    /// Updates `values` and the moments from `gradients`.
    ///
    /// - Parameters:
    ///   - step: Number of this update, from 1.
    ///   - gradientNorm: Norm of the gradient over the whole model, which clipping compares with its limit.
    public func update(
        values: UnsafeMutableBufferPointer<Float>, gradients: UnsafePointer<Float>, step: Int,
        learningRate: Float, gradientNorm: Float, pool: ThreadPool
    ) {
        let coefficients = coefficients(step: step, learningRate: learningRate, gradientNorm: gradientNorm)
        pool.forEachTile(tiles.count) { index, _ in
            update(
                tiles[index], values: values.baseAddress!, gradients: gradients, step: step,
                tiles[index].isDecayed ? coefficients.decayed : coefficients.plain)
        }
    }

    private func update(
        _ tile: Segment, values: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, step: Int,
        _ coefficients: AdamWCoefficients
    ) {
        let (start, count) = (tile.range.lowerBound, tile.range.count)
        switch (firstMoment, secondMoment) {
        case (.float32(let first), .float32(let second)):
            adamWUpdate(
                values: values + start, gradients: gradients + start, firstMoment: first.baseAddress! + start,
                secondMoment: second.baseAddress! + start, count: count, coefficients)
        case (.bfloat16(let first), .bfloat16(let second)):
            adamWUpdate(
                values: values + start, gradients: gradients + start, firstMoment: first.baseAddress! + start,
                secondMoment: second.baseAddress! + start,
                rounding: StochasticRounding(
                    step: step, parameter: tile.parameter, firstElement: start - tile.parameterStart),
                count: count, coefficients)
        default: preconditionFailure("both moments have one precision")
        }
    }

    private func coefficients(
        step: Int, learningRate: Float, gradientNorm: Float
    ) -> (decayed: AdamWCoefficients, plain: AdamWCoefficients) {
        let clip = configuration.gradientClip
        // The small addend keeps a zero norm harmless, and is what other trainers add too.
        let gradientScale = clip > 0 && gradientNorm > clip ? clip / (gradientNorm + 1e-6) : 1
        let plain = AdamWCoefficients(
            gradientScale: gradientScale, beta1: configuration.beta1, beta2: configuration.beta2,
            stepSize: learningRate / Float(biasCorrection(configuration.beta1, step)),
            secondMomentScale: Float(1 / biasCorrection(configuration.beta2, step).squareRoot()),
            epsilon: configuration.epsilon, shrinkage: 1)
        var decayed = plain
        decayed.shrinkage = 1 - learningRate * configuration.weightDecay
        return (decayed, plain)
    }

    /// 1 − βⁿ, in double precision because the difference would lose digits in single.
    private func biasCorrection(_ beta: Float, _ step: Int) -> Double {
        var (power, square, remaining) = (1.0, Double(beta), step)
        while remaining > 0 {
            if remaining & 1 == 1 { power *= square }
            square *= square
            remaining >>= 1
        }
        return 1 - power
    }
}
