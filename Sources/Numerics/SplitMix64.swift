/// Repeatable random numbers, one after the other (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number
/// Generators*, 2014, with Stafford's thirteenth set of constants).
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.finalize(state)
    }

    /// The output function: every bit of the word changes every bit of the result half of the time.
    @inlinable
    public static func finalize(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ word &>> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word &>> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word &>> 31
    }
}
