// Scalar functions for use inside plain loops: branch-free, so that the compiler turns the loop around them into vector
// code for whatever vector width it builds for. A call to the C library's `expf` would keep such a loop scalar.

/// eˣ, within 2 units in the last place for results that are normal numbers.
///
/// Inputs below -87.33 give 1.18e-38 (the smallest normal number) instead of a denormal or zero, and inputs above 88.72
/// the largest finite number; NaN gives NaN.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2, and eˣ = 2ⁿ·eʳ with a polynomial for eʳ (the coefficients are those of the
/// Cephes mathematical library, S. Moshier 1992).
@inline(__always)
package func exponential(_ x: Float) -> Float {
    // Written as comparisons that are false for NaN, which then stays.
    let bounded = x < -87.336_54 ? -87.336_54 : x
    let clamped = bounded > 88.722_83 ? 88.722_83 : bounded
    // Adding 1.5·2²³ leaves no bits for a fraction: the sum is rounded to an integer, which its low bits hold.
    let shifter: Float = 12_582_912
    let shifted = shifter.addingProduct(clamped, 1.442_695_04)
    let n = shifted - shifter
    // ln 2 in two parts, the first short enough for n·part to be exact.
    let r = clamped.addingProduct(n, -0.693_359_375).addingProduct(n, 2.121_944_4e-4)
    var polynomial: Float = 1.987_569_15e-4
    polynomial = (1.398_199_950_7e-3 as Float).addingProduct(polynomial, r)
    polynomial = (8.333_451_907_3e-3 as Float).addingProduct(polynomial, r)
    polynomial = (4.166_579_589_4e-2 as Float).addingProduct(polynomial, r)
    polynomial = (1.666_666_545_9e-1 as Float).addingProduct(polynomial, r)
    polynomial = (5.000_000_120_1e-1 as Float).addingProduct(polynomial, r)
    let fraction = (r + 1).addingProduct(polynomial, r * r)
    // Multiplies by 2ⁿ: n is added to the exponent, whose lowest bit is bit 23.
    return Float(bitPattern: fraction.bitPattern &+ (shifted.bitPattern &<< 23))
}

/// 1 / (1 + e⁻ˣ), within 4 units in the last place where e⁻ˣ is a normal number.
@inline(__always)
package func sigmoid(_ x: Float) -> Float { 1 / (1 + exponential(-x)) }
