import CPlatform

/// The vectors that register tiles are made of. Results are the same bits with both.
public enum VectorWidth: Int, Sendable {
    case bits256 = 256
    case bits512 = 512

    /// What the program was built for.
    @inlinable public static var native: VectorWidth { apus_built_with_avx512f() ? .bits512 : .bits256 }
}
