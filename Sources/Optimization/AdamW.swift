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

        public init(range: Range<Int>, isDecayed: Bool) {
            self.range = range
            self.isDecayed = isDecayed
        }
    }

    public let configuration: OptimizerConfiguration
    /// Running mean of the gradient, zero at first.
    public let firstMoment: UnsafeMutableBufferPointer<Float>
    /// Running mean of its square, zero at first.
    public let secondMoment: UnsafeMutableBufferPointer<Float>

    private let tiles: [Segment]
    private let ownsMoments: Bool

    private static let tileSize = 1 << 14

    /// Bytes of both moments of `count` parameters.
    public static func momentBytes(count: Int) -> Int { 2 * count * MemoryLayout<Float>.stride }

    /// - Parameters:
    ///   - count: Floats in each flat buffer.
    ///   - segments: What is updated; elements outside all segments stay as they are.
    ///   - moments: Zeroed memory of `momentBytes(count:)` that outlives this; nil allocates it. Ranks that have it in
    ///     common each update segments of their own.
    public init(
        _ configuration: OptimizerConfiguration, count: Int, segments: [Segment],
        moments: UnsafeMutableRawBufferPointer? = nil
    ) {
        self.configuration = configuration
        precondition(moments.map { $0.count == Self.momentBytes(count: count) } ?? true, "memory of the moments")
        let memory =
            moments?.bindMemory(to: Float.self)
            ?? UnsafeMutableBufferPointer(start: Arena.allocateAligned(2 * count), count: 2 * count)
        ownsMoments = moments == nil
        if ownsMoments { memory.initialize(repeating: 0) }
        firstMoment = UnsafeMutableBufferPointer(rebasing: memory[..<count])
        secondMoment = UnsafeMutableBufferPointer(rebasing: memory[count...])
        tiles = segments.flatMap { segment in
            stride(from: segment.range.lowerBound, to: segment.range.upperBound, by: Self.tileSize).map { start in
                Segment(
                    range: start..<min(start + Self.tileSize, segment.range.upperBound), isDecayed: segment.isDecayed)
            }
        }
    }

    deinit {
        if ownsMoments { Arena.deallocate(firstMoment.baseAddress!) }
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
        let (firstMoment, secondMoment) = (firstMoment, secondMoment)
        tiles.withUnsafeBufferPointer { tiles in
            pool.forEachTile(tiles.count) { index, _ in
                let (range, isDecayed) = (tiles[index].range, tiles[index].isDecayed)
                adamWUpdate(
                    values: values.baseAddress! + range.lowerBound,
                    gradients: gradients + range.lowerBound,
                    firstMoment: firstMoment.baseAddress! + range.lowerBound,
                    secondMoment: secondMoment.baseAddress! + range.lowerBound, count: range.count,
                    isDecayed ? coefficients.decayed : coefficients.plain)
            }
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
