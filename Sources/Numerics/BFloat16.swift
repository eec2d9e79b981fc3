/// The upper half of a single-precision number: the same range with 8 significant bits.
public enum BFloat16 {
    /// The number that a bit pattern stands for, exactly.
    @inlinable @inline(__always)
    public static func widen(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) &<< 16) }

    /// The nearest bfloat16, ties to even; what is not a number stays so.
    @inlinable @inline(__always)
    public static func round(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let rounded = bits &+ 0x7FFF &+ ((bits &>> 16) & 1)
        // Rounding would carry a NaN's last bits through the exponent and the sign.
        return UInt16(truncatingIfNeeded: (value == value ? rounded : bits | 0x40_0000) &>> 16)
    }

    /// Rounds `count` numbers to the nearest.
    public static func round(_ values: UnsafePointer<Float>, into bits: UnsafeMutablePointer<UInt16>, count: Int) {
        for index in 0..<count { bits[index] = round(values[index]) }
    }

    public static func widen(_ bits: UnsafePointer<UInt16>, into values: UnsafeMutablePointer<Float>, count: Int) {
        for index in 0..<count { values[index] = widen(bits[index]) }
    }
}
