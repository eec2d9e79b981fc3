import Numerics

extension MatrixProduct {
    /// Whether computing cᵀ = bᵀ·aᵀ moves less memory: with few rows, packing the right factor takes longer than packing
    /// the left one and turning the result round. Generation, with one row, is the extreme: memory sets the pace, and
    /// the large factor is then read once where it lies.
    var isBetterTransposed: Bool {
        rows <= Self.mostTransposedRows && 2 * rows * (columns + depth) < columns * depth
    }

    private static var mostTransposedRows: Int { 256 }
    /// Columns of the result that a thread computes at one time.
    private static var transposedTile: Int { ProductCut.largestTileRows }

    /// The product by way of its transpose. The sums are those of the other way, to the bit.
    @inline(__always)
    func runTransposed<Tile: RegisterTile>(
        _: Tile.Type, on pool: ThreadPool, finish: (_ rows: Range<Int>, _ columns: Range<Int>, _ thread: Int) -> Void
    ) {
        let cut = ProductCut(rows: columns, columns: rows, depth: depth, tileRows: Tile.rows, tileColumns: Tile.columns)
        let width = cut.panels * Tile.columns
        let tiles = (columns + Self.transposedTile - 1) / Self.transposedTile
        let chunks = max(
            min((depth * width + ProductCut.slabFloats - 1) / ProductCut.slabFloats, cut.depthBlocks), 1)
        let sumFloats = Self.transposedTile * width
        let sumTiles = chunks == 1 ? pool.threadCount : tiles
        let leftFloats = b.isTransposed ? 0 : (cut.leftFloats + 15) / 16 * 16
        let packedFloats = ((cut.depthBlocks + chunks - 1) / chunks * ProductCut.largestDepthBlock) * width
        let packed = pool.workspace(floats: packedFloats + sumTiles * sumFloats + pool.threadCount * leftFloats)
        let (allSums, allLeft) = (packed + packedFloats, packed + packedFloats + sumTiles * sumFloats)
        for chunk in 0..<chunks {
            let blocks = cut.depthBlocks * chunk / chunks..<cut.depthBlocks * (chunk + 1) / chunks
            let chunkStart = cut.depthRange(blocks.lowerBound).lowerBound
            pool.forEachTile(blocks.count) { index, _ in
                let range = cut.depthRange(blocks.lowerBound + index)
                let right = a.dropping(rows: 0, columns: range.lowerBound)
                packRightPanels(
                    MatrixFactor(right.pointer, stride: right.stride, isTransposed: !right.isTransposed),
                    depth: range.count, columns: rows, width: Tile.columns,
                    into: packed + (range.lowerBound - chunkStart) * width)
            }
            pool.forEachTile(tiles) { tile, thread in
                let first = tile * Self.transposedTile
                let range = first..<min(first + Self.transposedTile, columns)
                // The sums stay with the tile where there is another chunk to come.
                let sums = allSums + (chunks == 1 ? thread : tile) * sumFloats
                if accumulates, chunk == 0 {
                    transposeRows(
                        c + first, stride: stride, count: range.count, rows: rows, into: sums, targetStride: width)
                }
                for block in blocks {
                    addTransposed(
                        Tile.self, range, depthBlock: block, cut,
                        packed: packed + (cut.depthRange(block).lowerBound - chunkStart) * width,
                        left: allLeft + thread * leftFloats, into: sums)
                }
                if blocks.upperBound == cut.depthBlocks {
                    transposeRows(
                        sums, stride: width, count: rows, rows: range.count, into: c + first, targetStride: stride)
                    finish(0..<rows, range, thread)
                }
            }
        }
    }

    /// Adds one block of depth to some columns of the result, which are rows of `sums`.
    @inline(__always)
    private func addTransposed<Tile: RegisterTile>(
        _: Tile.Type, _ range: Range<Int>, depthBlock: Int, _ cut: ProductCut, packed: UnsafePointer<Float>,
        left: UnsafeMutablePointer<Float>, into sums: UnsafeMutablePointer<Float>
    ) {
        let depth = cut.depthRange(depthBlock)
        let width = cut.panels * Tile.columns
        var (leftStart, panelStride, rowStride, depthStride) = (b.pointer, b.stride, b.stride, 1)
        if b.isTransposed {
            leftStart += range.lowerBound * b.stride + depth.lowerBound
        } else {
            packLeftPanels(
                MatrixFactor(
                    b.pointer + depth.lowerBound * b.stride + range.lowerBound, stride: b.stride, isTransposed: true),
                depth: depth.count, rows: range.count, height: Tile.rows, into: left)
            (leftStart, panelStride, rowStride, depthStride) = (UnsafePointer(left), depth.count, 1, Tile.rows)
        }
        for panel in 0..<cut.panels {
            let right = packed + panel * Tile.columns * depth.count
            for row in Swift.stride(from: 0, to: range.count, by: Tile.rows) {
                runRegisterTile(
                    Tile.self, rows: min(Tile.rows, range.count - row),
                    columns: min(Tile.columns, rows - panel * Tile.columns), depth: depth.count,
                    leftStart + row * panelStride, rowStride: rowStride, depthStride: depthStride, right,
                    rightStride: Tile.columns, into: sums + row * width + panel * Tile.columns, stride: width,
                    accumulates: accumulates || depthBlock > 0)
            }
        }
    }
}
