import Numerics

/// One AdamW update of `count` elements with both moments in bfloat16: 12 bytes read and 8 written an element.
///
/// The moments are widened, updated in single precision, used unrounded, and rounded when stored. The first goes to the
/// nearest bfloat16, ties to even. The second is rounded up or down at random, with probabilities that keep its
/// expectation (stochastic rounding, as in Gupta et al. 2015): its changes are a fraction 1 − β₂ of it, which for
/// β₂ = 0.999 is less than half the distance to the next bfloat16, so that the nearest one would be the old one for
/// ever.
///
/// - Parameter rounding: Where the random bits come from; its `firstElement` is that of the first number here.
public func adamWUpdate(
    values: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, firstMoment: UnsafeMutablePointer<UInt16>,
    secondMoment: UnsafeMutablePointer<UInt16>, rounding: StochasticRounding, count: Int,
    _ coefficients: AdamWCoefficients
) {
    let groupSize = StochasticRounding.groupSize
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: groupSize) { bits in
        let bits = bits.baseAddress!
        var index = 0
        while index < count {
            let (group, offset) = (rounding.firstElement + index).quotientAndRemainder(dividingBy: groupSize)
            let length = min(groupSize - offset, count - index)
            rounding.writeBits(of: group, into: bits)
            adamWUpdate(
                values: values + index, gradients: gradients + index, firstMoment: firstMoment + index,
                secondMoment: secondMoment + index, roundingBits: bits + offset, count: length, coefficients)
            index += length
        }
    }
}

private func adamWUpdate(
    values: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, firstMoment: UnsafeMutablePointer<UInt16>,
    secondMoment: UnsafeMutablePointer<UInt16>, roundingBits: UnsafePointer<UInt32>, count: Int,
    _ coefficients: AdamWCoefficients
) {
    let (beta1, beta2) = (coefficients.beta1, coefficients.beta2)
    for index in 0..<count {
        let gradient = gradients[index] * coefficients.gradientScale
        let first = beta1 * BFloat16.widen(firstMoment[index]) + (1 - beta1) * gradient
        let second = beta2 * BFloat16.widen(secondMoment[index]) + (1 - beta2) * gradient * gradient
        firstMoment[index] = BFloat16.round(first)
        secondMoment[index] = UInt16(truncatingIfNeeded: (second.bitPattern &+ roundingBits[index]) &>> 16)
        let denominator = second.squareRoot() * coefficients.secondMomentScale + coefficients.epsilon
        values[index] = values[index] * coefficients.shrinkage - coefficients.stepSize * first / denominator
    }
}

/// The random bits of stochastic rounding, sixteen an element: a function of the step, the parameter and the element's
/// index in it, so that whoever updates the element, on whatever thread or rank, rounds it the same way.
public struct StochasticRounding: Sendable {
    /// Index in the parameter of the first of a run of elements.
    public var firstElement: Int
    private let parameter: UInt32
    private let key: (UInt32, UInt32)

    /// Elements whose bits come from one group of Philox blocks, one block a vector lane.
    fileprivate static let groupSize = 128
    private static let lanes = 16

    /// - Parameters:
    ///   - step: Number of the update.
    ///   - parameter: Number of the parameter in the model.
    public init(step: Int, parameter: Int, firstElement: Int) {
        self.firstElement = firstElement
        self.parameter = UInt32(truncatingIfNeeded: parameter)
        key = Philox.key(seed: UInt64(step), stream: Self.stream)
    }

    /// Sets these bits apart from others that are keyed by small numbers.
    private static let stream: UInt64 = 0x726F_756E_6469_6E67

    @inline(__always)
    fileprivate func writeBits(of group: Int, into bits: UnsafeMutablePointer<UInt32>) {
        let firstBlock = UInt64(group) &* UInt64(Self.lanes)
        let (low, high) = (UInt32(truncatingIfNeeded: firstBlock), UInt32(truncatingIfNeeded: firstBlock &>> 32))
        let (key, parameter) = (key, parameter)
        for lane in 0..<Self.lanes {
            let words = Philox.block(
                key: key, counter: (low &+ UInt32(truncatingIfNeeded: lane), high, parameter, 0))
            bits[lane] = words.0 & 0xFFFF
            bits[lane &+ 16] = words.0 &>> 16
            bits[lane &+ 32] = words.1 & 0xFFFF
            bits[lane &+ 48] = words.1 &>> 16
            bits[lane &+ 64] = words.2 & 0xFFFF
            bits[lane &+ 80] = words.2 &>> 16
            bits[lane &+ 96] = words.3 & 0xFFFF
            bits[lane &+ 112] = words.3 &>> 16
        }
    }
}
