/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011).
///
/// A pure function of key and counter: any number of a stream is had without those before it, on any thread or rank.
/// Loops that call `block` for consecutive counters are vectorised.
@frozen
public enum Philox {
    /// Four independent, uniformly distributed words.
    @inlinable @inline(__always)
    public static func block(
        key: (UInt32, UInt32), counter: (UInt32, UInt32, UInt32, UInt32)
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var (k0, k1) = key
        var (c0, c1, c2, c3) = counter
        for _ in 0..<10 {
            let product0 = UInt64(c0) &* 0xD251_1F53
            let product1 = UInt64(c2) &* 0xCD9E_8D57
            let high0 = UInt32(truncatingIfNeeded: product0 &>> 32)
            let high1 = UInt32(truncatingIfNeeded: product1 &>> 32)
            (c0, c1, c2, c3) = (
                high1 ^ c1 ^ k0, UInt32(truncatingIfNeeded: product1),
                high0 ^ c3 ^ k1, UInt32(truncatingIfNeeded: product0)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (c0, c1, c2, c3)
    }

    /// A key from a seed and the number of a stream; different streams of a seed are unrelated.
    @inlinable
    public static func key(seed: UInt64, stream: UInt64) -> (UInt32, UInt32) {
        let mixed = SplitMix64.finalize(seed &+ (stream &+ 1) &* 0x9E37_79B9_7F4A_7C15)
        return (UInt32(truncatingIfNeeded: mixed), UInt32(truncatingIfNeeded: mixed &>> 32))
    }
}
