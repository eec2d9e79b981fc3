// Arguments named separately must not overlap: the compiler's vector code is skipped where they do.

/// GELU in its tanh form, x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))): Hendrycks & Gimpel 2016, and what GPT-2 uses.
///
/// Computed as x·σ(2u), which is the same and has no cancellation for negative x.
///
/// - Parameters:
///   - x: `count` numbers.
///   - y: receives the result; must not overlap `x`.
public func geluTanh(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { y[i] = geluTanh(x[i]) }
}

/// Replaces `count` numbers by their GELU.
public func geluTanh(inPlace x: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { x[i] = geluTanh(x[i]) }
}

/// Turns the gradient of GELU's outputs into that of its inputs, in place.
///
/// - Parameters:
///   - gradient: `count` numbers; multiplied by GELU's derivative at `x`.
///   - x: the inputs of the forward pass; must not overlap `gradient`.
public func geluTanhBackward(
    _ gradient: UnsafeMutablePointer<Float>, inputs x: UnsafePointer<Float>, count: Int
) {
    for i in 0..<count { gradient[i] *= geluTanhDerivative(x[i]) }
}

/// The argument of σ is this·(x + 0.044715·x³), with this = 2·√(2/π).
private let argumentScale: Float = 1.595_769_121_605_730_7
private let cubicCoefficient: Float = 0.044_715

@inline(__always)
package func geluTanh(_ x: Float) -> Float {
    let square = x * x
    return x * sigmoid(argumentScale * x * (1 as Float).addingProduct(cubicCoefficient, square))
}

/// σ(2u) + x·σ(2u)·(1 - σ(2u))·2u′.
@inline(__always)
package func geluTanhDerivative(_ x: Float) -> Float {
    let square = x * x
    let gate = sigmoid(argumentScale * x * (1 as Float).addingProduct(cubicCoefficient, square))
    let slope = argumentScale * (1 as Float).addingProduct(3 * cubicCoefficient, square)
    return gate.addingProduct(x * slope, gate * (1 - gate))
}
