/// The numbers of one AdamW update that are the same for every element of a tile.
public struct AdamWCoefficients: Sendable {
    public var gradientScale: Float
    public var beta1: Float
    public var beta2: Float
    /// Learning rate over the first moment's bias correction.
    public var stepSize: Float
    /// 1 / √(bias correction) of the second moment.
    public var secondMomentScale: Float
    public var epsilon: Float
    /// 1 − learning rate × weight decay.
    public var shrinkage: Float

    public init(
        gradientScale: Float, beta1: Float, beta2: Float, stepSize: Float, secondMomentScale: Float, epsilon: Float,
        shrinkage: Float
    ) {
        self.gradientScale = gradientScale
        self.beta1 = beta1
        self.beta2 = beta2
        self.stepSize = stepSize
        self.secondMomentScale = secondMomentScale
        self.epsilon = epsilon
        self.shrinkage = shrinkage
    }
}

/// One AdamW update of `count` elements, in place: 16 bytes read and 12 written an element.
public func adamWUpdate(
    values: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
    secondMoment: UnsafeMutablePointer<Float>, count: Int, _ coefficients: AdamWCoefficients
) {
    let (beta1, beta2) = (coefficients.beta1, coefficients.beta2)
    for index in 0..<count {
        let gradient = gradients[index] * coefficients.gradientScale
        let first = beta1 * firstMoment[index] + (1 - beta1) * gradient
        let second = beta2 * secondMoment[index] + (1 - beta2) * gradient * gradient
        firstMoment[index] = first
        secondMoment[index] = second
        let denominator = second.squareRoot() * coefficients.secondMomentScale + coefficients.epsilon
        values[index] = values[index] * coefficients.shrinkage - coefficients.stepSize * first / denominator
    }
}
