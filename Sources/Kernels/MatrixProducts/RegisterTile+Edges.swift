/// Computes a part of a product that is at most as large as a register tile.
///
/// Beyond `columns` nothing is stored, but the right factor must be readable up to the next multiple of
/// `Tile.Narrow.columns`.
///
/// - Parameters:
///   - rows: at most `Tile.rows`.
///   - columns: at most `Tile.columns`.
///   - a: element (r, k) of the left factor is `a[r·rowStride + k·depthStride]`.
@inline(__always)
func runRegisterTile<Tile: RegisterTile>(
    _: Tile.Type, rows: Int, columns: Int, depth: Int, _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int,
    _ b: UnsafePointer<Float>, rightStride: Int, into c: UnsafeMutablePointer<Float>, stride: Int, accumulates: Bool
) {
    if columns == Tile.columns, rows == Tile.rows {
        Tile.run(
            depth: depth, a, rowStride: rowStride, depthStride: depthStride, lastRow: rows - 1, b,
            rightStride: rightStride, into: c, stride: stride, accumulates: accumulates)
        return
    }
    if columns == Tile.columns {
        runEdge(
            Tile.self, rows: rows, columns: columns, depth: depth, a, rowStride: rowStride, depthStride: depthStride, b,
            rightStride: rightStride, into: c, stride: stride, accumulates: accumulates)
        return
    }
    var column = 0
    while column < columns {
        runEdge(
            Tile.Narrow.self, rows: rows, columns: min(Tile.Narrow.columns, columns - column), depth: depth, a,
            rowStride: rowStride, depthStride: depthStride, b + column, rightStride: rightStride, into: c + column,
            stride: stride, accumulates: accumulates)
        column += Tile.Narrow.columns
    }
}

/// Stores only what belongs to the product, by way of a tile of its own where that is not all.
@inline(never)
private func runEdge<Tile: RegisterTile>(
    _: Tile.Type, rows: Int, columns: Int, depth: Int, _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int,
    _ b: UnsafePointer<Float>, rightStride: Int, into c: UnsafeMutablePointer<Float>, stride: Int, accumulates: Bool
) {
    if rows == Tile.rows, columns == Tile.columns {
        Tile.run(
            depth: depth, a, rowStride: rowStride, depthStride: depthStride, lastRow: rows - 1, b,
            rightStride: rightStride, into: c, stride: stride, accumulates: accumulates)
        return
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Tile.rows * Tile.columns) { buffer in
        let sums = buffer.baseAddress!
        Tile.run(
            depth: depth, a, rowStride: rowStride, depthStride: depthStride, lastRow: rows - 1, b,
            rightStride: rightStride, into: sums, stride: Tile.columns, accumulates: false)
        for row in 0..<rows {
            for column in 0..<columns {
                let sum = sums[row * Tile.columns + column]
                c[row * stride + column] = accumulates ? c[row * stride + column] + sum : sum
            }
        }
    }
}
