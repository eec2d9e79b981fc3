import Kernels

/// How operators that treat each row on its own cut a matrix into the tiles that threads take.
///
/// Sizes depend on the matrix alone, never on the number of threads: a sum over rows is cut into the same parts and
/// gives the same bits for every thread count.
enum RowTiles {
    /// Floats of one tile of a row-wise operator: a few of them fit the second-level cache.
    private static let tileFloats = 16_384

    /// Sums over rows are cut into at most this many parts, so that adding up the parts costs nothing to speak of.
    private static let largestPartCount = 64

    /// Rows of a tile whose results are written per row.
    static func size(columns: Int) -> Int { max(1, tileFloats / max(columns, 1)) }

    /// Rows of a tile that leaves one partial sum over its rows.
    static func sizeForSums(rows: Int, columns: Int) -> Int {
        max(size(columns: columns), (rows + largestPartCount - 1) / largestPartCount)
    }
}

extension Tape {
    /// Adds up one partial sum per tile, first to last, into the gradient of a parameter.
    func sumPartials(_ parts: UnsafePointer<Float>, parts count: Int, stride: Int, into parameter: Tensor) {
        guard let sink = gradientSink(parameter) else { return }
        sumRows(
            parts, rows: count, stride: stride, into: sink.pointer, columns: parameter.count,
            accumulates: sink.accumulates)
    }
}
