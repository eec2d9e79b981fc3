import Numerics

/// A permutation of `0..<count` that is computed, element by element, from a key: nothing is stored.
///
/// A Feistel network permutes the smallest power of four that holds `count`; a result outside is put in again until it
/// falls inside ("cycle walking", Black and Rogaway, *Ciphers with Arbitrary Finite Domains*, 2002). The domain is less
/// than four times `count`, so an element takes less than four walks on average.
public struct KeyedPermutation: Sendable {
    public let count: Int
    private let halfBits: UInt64
    private let roundKeys: InlineArray<6, UInt64>

    public init(count: Int, key: UInt64) {
        precondition(count > 0, "a permutation needs at least one element, got \(count)")
        self.count = count
        let bits = UInt64(UInt64.bitWidth - UInt64(count - 1).leadingZeroBitCount)
        halfBits = max((bits + 1) / 2, 1)
        roundKeys = InlineArray { Mix.combine(key, UInt64($0)) }
    }

    /// Where `index` goes; every index goes somewhere else.
    public subscript(index: Int) -> Int {
        precondition(index >= 0 && index < count, "index \(index) of \(count)")
        let mask = (1 << halfBits) - 1 as UInt64
        var value = UInt64(index)
        repeat {
            var left = value >> halfBits
            var right = value & mask
            for round in roundKeys.indices {
                (left, right) = (right, left ^ (Mix.combine(roundKeys[round], right) & mask))
            }
            value = left << halfBits | right
        } while value >= UInt64(count)
        return Int(value)
    }
}

/// Mixing of 64-bit words: every bit of the arguments changes every bit of the result half of the time.
enum Mix {
    static func combine(_ first: UInt64, _ second: UInt64) -> UInt64 {
        SplitMix64.finalize(first &+ SplitMix64.finalize(second &+ 0x9E37_79B9_7F4A_7C15))
    }
}
