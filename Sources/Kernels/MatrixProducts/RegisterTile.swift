import CPlatform

/// The part of a matrix product that is summed in registers: a few rows of the left factor by a few vectors of columns
/// of the right one.
///
/// Each sum is one chain of fused multiply-adds along the depth, whatever the vectors' width, so that all tile shapes,
/// thread counts and processors give the same bits.
///
/// The implementations differ in constants only. They are written out because the sums must be local variables of a
/// fixed number for the compiler to keep them in registers.
protocol RegisterTile {
    static var rows: Int { get }
    /// A multiple of `Narrow.columns`.
    static var columns: Int { get }
    /// Takes what columns are left over.
    associatedtype Narrow: RegisterTile where Narrow.Narrow == Narrow

    /// Sums `depth` products for each element of the tile and stores or adds them.
    ///
    /// - Parameters:
    ///   - a: element (r, k) of the left factor is `a[r·rowStride + k·depthStride]`.
    ///   - lastRow: Rows after it are computed as copies of it, so that nothing is read beyond the factor.
    ///   - b: the right factor: `[depth, columns]`, one row `rightStride` floats after the other.
    ///   - c: `[rows, columns]`, one row `stride` floats after the other.
    ///   - accumulates: whether to add to `c` instead of overwriting it.
    static func run(
        depth: Int, _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int, lastRow: Int,
        _ b: UnsafePointer<Float>, rightStride: Int, into c: UnsafeMutablePointer<Float>, stride: Int, accumulates: Bool
    )
}

/// For sixteen registers of 256 bits: 12 sums, 2 vectors of the right factor, and one of the left.
enum RegisterTile256: RegisterTile {
    typealias Narrow = RegisterTile256
    static var rows: Int { 6 }
    static var columns: Int { 16 }

    @inline(never)
    static func run(
        depth: Int, _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int, lastRow: Int,
        _ b: UnsafePointer<Float>, rightStride: Int, into c: UnsafeMutablePointer<Float>, stride: Int, accumulates: Bool
    ) {
        typealias Vector = SIMD8<Float>
        var rowStarts = InlineArray<6, UnsafePointer<Float>>(repeating: a)
        for row in 1..<6 { rowStarts[row] = a + min(row, lastRow) &* rowStride }
        prefetchForWriting(c, rows: rows, columns: columns, stride: stride)
        var sums = InlineArray<12, Vector>(repeating: .zero)
        var b = b
        var offset = 0
        for _ in 0..<depth {
            let (b0, b1) = (load(b, as: Vector.self), load(b + 8, as: Vector.self))
            for row in 0..<6 {
                let x = Vector(repeating: rowStarts[row][offset])
                sums[2 &* row] = sums[2 &* row].addingProduct(x, b0)
                sums[2 &* row &+ 1] = sums[2 &* row &+ 1].addingProduct(x, b1)
            }
            b += rightStride
            offset &+= depthStride
        }
        for row in 0..<6 {
            for vector in 0..<2 {
                put(sums[2 &* row &+ vector], at: c + (row &* stride &+ 8 &* vector), accumulates: accumulates)
            }
        }
    }
}

/// For 32 registers of 512 bits: 24 sums, 3 vectors of the right factor, and one of the left.
enum RegisterTile512: RegisterTile {
    typealias Narrow = RegisterTile512Narrow
    static var rows: Int { 8 }
    static var columns: Int { 48 }

    @inline(never)
    static func run(
        depth: Int, _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int, lastRow: Int,
        _ b: UnsafePointer<Float>, rightStride: Int, into c: UnsafeMutablePointer<Float>, stride: Int, accumulates: Bool
    ) {
        typealias Vector = SIMD16<Float>
        var rowStarts = InlineArray<8, UnsafePointer<Float>>(repeating: a)
        for row in 1..<8 { rowStarts[row] = a + min(row, lastRow) &* rowStride }
        prefetchForWriting(c, rows: rows, columns: columns, stride: stride)
        var sums = InlineArray<24, Vector>(repeating: .zero)
        var b = b
        var offset = 0
        for _ in 0..<depth {
            let b0 = load(b, as: Vector.self)
            let (b1, b2) = (load(b + 16, as: Vector.self), load(b + 32, as: Vector.self))
            for row in 0..<8 {
                let x = Vector(repeating: rowStarts[row][offset])
                sums[3 &* row] = sums[3 &* row].addingProduct(x, b0)
                sums[3 &* row &+ 1] = sums[3 &* row &+ 1].addingProduct(x, b1)
                sums[3 &* row &+ 2] = sums[3 &* row &+ 2].addingProduct(x, b2)
            }
            b += rightStride
            offset &+= depthStride
        }
        for row in 0..<8 {
            for vector in 0..<3 {
                put(sums[3 &* row &+ vector], at: c + (row &* stride &+ 16 &* vector), accumulates: accumulates)
            }
        }
    }
}

/// One vector of columns, for the last of a matrix whose columns are not a multiple of 48.
enum RegisterTile512Narrow: RegisterTile {
    typealias Narrow = RegisterTile512Narrow
    static var rows: Int { 8 }
    static var columns: Int { 16 }

    @inline(never)
    static func run(
        depth: Int, _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int, lastRow: Int,
        _ b: UnsafePointer<Float>, rightStride: Int, into c: UnsafeMutablePointer<Float>, stride: Int,
        accumulates: Bool
    ) {
        typealias Vector = SIMD16<Float>
        var rowStarts = InlineArray<8, UnsafePointer<Float>>(repeating: a)
        for row in 1..<8 { rowStarts[row] = a + min(row, lastRow) &* rowStride }
        prefetchForWriting(c, rows: rows, columns: columns, stride: stride)
        var sums = InlineArray<8, Vector>(repeating: .zero)
        var b = b
        var offset = 0
        for _ in 0..<depth {
            let b0 = load(b, as: Vector.self)
            for row in 0..<8 {
                sums[row] = sums[row].addingProduct(Vector(repeating: rowStarts[row][offset]), b0)
            }
            b += rightStride
            offset &+= depthStride
        }
        for row in 0..<8 { put(sums[row], at: c + row &* stride, accumulates: accumulates) }
    }
}

/// The result's lines are often not in the cache; asked for before the sums begin, they are there when these end.
@inline(__always)
private func prefetchForWriting(_ c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
    for row in 0..<rows {
        let start = c + row &* stride
        var column = 0
        while column < columns {
            apus_prefetch_for_write(start + column)
            column &+= 16
        }
        apus_prefetch_for_write(start + (columns &- 1))
    }
}

@inline(__always)
private func load<Vector: SIMD>(_ pointer: UnsafePointer<Float>, as: Vector.Type) -> Vector {
    UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
}

@inline(__always)
private func put<Vector: SIMD>(
    _ sums: Vector, at target: UnsafeMutablePointer<Float>, accumulates: Bool
) where Vector.Scalar == Float {
    let result = accumulates ? load(target, as: Vector.self) + sums : sums
    UnsafeMutableRawPointer(target).storeBytes(of: result, as: Vector.self)
}
