import CPlatform

/// The vector instructions that this binary was built to use.
public enum BuiltFeatures {
    /// By Linux's names, those of `/proc/cpuinfo`; empty on processors other than x86.
    public static var flags: Set<String> {
        let candidates: [(String, Bool)] = [
            ("avx2", apus_built_with_avx2()), ("fma", apus_built_with_fma()), ("f16c", apus_built_with_f16c()),
            ("bmi2", apus_built_with_bmi2()), ("avx512f", apus_built_with_avx512f()),
            ("avx512bw", apus_built_with_avx512bw()), ("avx512dq", apus_built_with_avx512dq()),
            ("avx512vl", apus_built_with_avx512vl()), ("avx512cd", apus_built_with_avx512cd()),
            ("avx512_bf16", apus_built_with_avx512_bf16()),
        ]
        return Set(candidates.filter(\.1).map(\.0))
    }

    /// Those that the kernels are much slower without.
    static let decisive: Set<String> = ["avx2", "fma", "avx512f"]
}
