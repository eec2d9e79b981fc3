import COpenBLAS

/// Single-precision matrix products of OpenBLAS over row-major matrices.
public enum BLAS {
    /// Evaluated before the first product: makes every product run on the thread that asks for it.
    ///
    /// Work is split over a `ThreadPool` instead, so that what follows a product runs while its tile is in cache, and so
    /// that the bits don't depend on how many cores the library sees.
    private static let useOneThread: Void = openblas_set_num_threads(1)

    /// `c ← alpha · a·b + beta · c` for a `[m, k]`, b `[k, n]` (after transposition) and c `[m, n]`, on this thread.
    ///
    /// With `beta` 0 nothing is read from `c`.
    public static func multiply(
        m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixFactor, _ b: MatrixFactor, beta: Float = 0,
        into c: UnsafeMutablePointer<Float>, stride: Int
    ) {
        guard m > 0, n > 0 else { return }
        Self.useOneThread
        if m == 1 {
            multiplyRow(n: n, k: k, alpha: alpha, a, b, beta: beta, into: c)
            return
        }
        cblas_sgemm(
            CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
            Int32(m), Int32(n), Int32(k), alpha, a.pointer, Int32(a.stride), b.pointer, Int32(b.stride), beta, c,
            Int32(stride))
    }

    /// The product of a single row, without the packing of `b` that only pays for many: generation is made of these.
    private static func multiplyRow(
        n: Int, k: Int, alpha: Float, _ a: MatrixFactor, _ b: MatrixFactor, beta: Float,
        into c: UnsafeMutablePointer<Float>
    ) {
        let isWeight = b.isTransposed
        cblas_sgemv(
            CblasRowMajor, isWeight ? CblasNoTrans : CblasTrans, Int32(isWeight ? n : k), Int32(isWeight ? k : n),
            alpha, b.pointer, Int32(b.stride), a.pointer, a.isTransposed ? Int32(a.stride) : 1, beta, c, 1)
    }

    /// The kernels in use, for example `SkylakeX`.
    public static var core: String { String(cString: openblas_get_corename()) }

    /// For example `OpenBLAS 0.3.21`.
    public static var libraryName: String { buildDescription.split(separator: " ").prefix(2).joined(separator: " ") }

    /// Version and build options, for example `OpenBLAS 0.3.21 DYNAMIC_ARCH …`.
    public static var buildDescription: String { String(cString: openblas_get_config()) }
}
