import Numerics

extension MatrixProduct {
    /// Compares products with plain loops: a program built for another processor than this may compute nonsense without
    /// a sign.
    ///
    /// - Throws: `ApusError` with the numbers that differ.
    public static func check() throws {
        let pool = ThreadPool(threadCount: 1)
        let (m, n, k) = (37, 53, 71)
        let a = (0..<m * k).map { Float(($0 * 37) % 101) / 101 - 0.5 }
        let b = (0..<k * n).map { Float(($0 * 53) % 97) / 97 - 0.5 }
        for (transposesA, transposesB) in [(false, false), (false, true), (true, false)] {
            let c = a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                    [Float](unsafeUninitializedCapacity: m * n) { c, count in
                        MatrixProduct(
                            rows: m, columns: n, depth: k,
                            MatrixFactor(a.baseAddress!, stride: transposesA ? m : k, isTransposed: transposesA),
                            MatrixFactor(b.baseAddress!, stride: transposesB ? k : n, isTransposed: transposesB),
                            into: c.baseAddress!
                        ).run(on: pool)
                        count = m * n
                    }
                }
            }
            for row in 0..<m {
                for column in 0..<n {
                    let expected = (0..<k).reduce(0.0) { sum, index in
                        let x = transposesA ? a[index * m + row] : a[row * k + index]
                        let y = transposesB ? b[column * k + index] : b[index * n + column]
                        return sum + Double(x) * Double(y)
                    }
                    guard abs(Double(c[row * n + column]) - expected) < 1e-4 else {
                        throw ApusError(
                            "checking matrix products",
                            "one is wrong: expected \(Float(expected)), found \(c[row * n + column])",
                            remedy: "build Apus on this machine, or for its processor with APUS_CPU")
                    }
                }
            }
        }
    }
}
