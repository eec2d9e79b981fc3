/// The upper half of a single-precision number: 8 bits of exponent, 7 of fraction.
package enum BFloat16 {
    /// Rounds to the nearest, to even where two are equally near. A NaN stays one.
    package static func round(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutablePointer<UInt16>, count: Int
    ) {
        for index in 0..<count {
            let bits = source[index].bitPattern
            let rounded = (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16
            // Rounding up would carry some NaNs over into the sign.
            let quiet = bits >> 16 | 0x40
            destination[index] = UInt16(truncatingIfNeeded: bits & 0x7FFF_FFFF > 0x7F80_0000 ? quiet : rounded)
        }
    }

    package static func widen(
        _ source: UnsafePointer<UInt16>, into destination: UnsafeMutablePointer<Float>, count: Int
    ) {
        for index in 0..<count { destination[index] = Float(bitPattern: UInt32(source[index]) << 16) }
    }
}
