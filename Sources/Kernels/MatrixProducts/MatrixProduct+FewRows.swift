import Numerics

extension MatrixProduct {
    /// The product of so few rows that they are one register tile's columns: generation is made of these.
    ///
    /// Computed as cᵀ = bᵀ·aᵀ. The large factor is read once where it lies, so that it is memory that sets the pace;
    /// packing it would take longer than the product. The sums are those of the other way, to the bit.
    @inline(__always)
    func runFewRows<Tile: RegisterTile>(
        _: Tile.Type, on pool: ThreadPool, finish: (_ rows: Range<Int>, _ columns: Range<Int>, _ thread: Int) -> Void
    ) {
        let width = Tile.columns
        let cut = ProductCut(rows: columns, columns: width, depth: depth, tileRows: Tile.rows, tileColumns: width)
        let tileFloats = Self.fewRowsTile * width
        let packed = pool.workspace(floats: depth * width + pool.threadCount * tileFloats)
        let sums = packed + depth * width
        packRightPanels(
            MatrixFactor(a.pointer, stride: a.stride, isTransposed: true), depth: depth, columns: rows, width: width,
            into: packed)
        pool.forEachRange(columns, tileSize: Self.fewRowsTile) { range, thread in
            let tile = sums + thread * tileFloats
            for block in 0..<cut.depthBlocks {
                let blockDepth = cut.depthRange(block)
                for row in Swift.stride(from: 0, to: range.count, by: Tile.rows) {
                    runRegisterTile(
                        Tile.self, rows: min(Tile.rows, range.count - row), columns: width, depth: blockDepth.count,
                        b.pointer + (range.lowerBound + row) * b.stride + blockDepth.lowerBound, rowStride: b.stride,
                        depthStride: 1, packed + blockDepth.lowerBound * width, rightStride: width,
                        into: tile + row * width, stride: width, accumulates: block > 0)
                }
            }
            for row in 0..<rows {
                let target = c + row * stride
                for column in range { target[column] = tile[(column - range.lowerBound) * width + row] }
            }
            finish(0..<rows, range, thread)
        }
    }

    /// Columns of the result that a thread computes at one time.
    private static var fewRowsTile: Int { 96 }
}
