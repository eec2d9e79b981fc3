import Numerics

/// One matrix product, `c ← a·b` or `c ← c + a·b`, computed by a pool of threads.
///
/// The right factor is packed by all threads together, slab by slab; then each takes tiles of the result, and what has
/// to happen to the sums follows at once, with the tile in cache. The structure is that of Goto & van de Geijn 2008.
/// Results are the same bits for every number of threads, every processor, and wherever a matrix is cut into parts
/// along its rows or columns: an element depends on its row, its column and the depth alone.
public struct MatrixProduct {
    let rows: Int
    let columns: Int
    let depth: Int
    let a: MatrixFactor
    let b: MatrixFactor
    let accumulates: Bool
    let c: UnsafeMutablePointer<Float>
    let stride: Int

    /// - Parameters:
    ///   - rows: of `a` and `c`.
    ///   - columns: of `b` and `c`.
    ///   - depth: columns of `a`, rows of `b`.
    ///   - accumulates: whether to add to `c`; otherwise nothing is read from it.
    ///   - stride: floats from one row of `c` to the next; `columns` where it is left out.
    public init(
        rows: Int, columns: Int, depth: Int, _ a: MatrixFactor, _ b: MatrixFactor, accumulates: Bool = false,
        into c: UnsafeMutablePointer<Float>, stride: Int? = nil
    ) {
        self.rows = rows
        self.columns = columns
        self.depth = depth
        self.a = a
        self.b = b
        self.accumulates = accumulates
        self.c = c
        self.stride = stride ?? columns
    }

    /// Computes the product; `finish` is called for each tile when its sums are complete.
    public func run(
        on pool: ThreadPool, finish: (_ rows: Range<Int>, _ columns: Range<Int>, _ thread: Int) -> Void = { _, _, _ in }
    ) {
        run(on: pool, with: .native, finish: finish)
    }

    package func run(
        on pool: ThreadPool, with vectors: VectorWidth,
        finish: (_ rows: Range<Int>, _ columns: Range<Int>, _ thread: Int) -> Void = { _, _, _ in }
    ) {
        guard rows > 0, columns > 0 else { return }
        if vectors == .bits512 {
            run(RegisterTile512.self, on: pool, finish: finish)
        } else {
            run(RegisterTile256.self, on: pool, finish: finish)
        }
    }

    @inline(__always)
    private func run<Tile: RegisterTile>(
        _: Tile.Type, on pool: ThreadPool, finish: (_ rows: Range<Int>, _ columns: Range<Int>, _ thread: Int) -> Void
    ) {
        if isBetterTransposed {
            if rows <= Tile.Narrow.columns {
                runTransposed(Tile.Narrow.self, on: pool, finish: finish)
            } else {
                runTransposed(Tile.self, on: pool, finish: finish)
            }
            return
        }
        let cut = ProductCut(
            rows: rows, columns: columns, depth: depth, tileRows: Tile.rows, tileColumns: Tile.columns)
        let leftFloats = a.isTransposed ? (cut.leftFloats + 15) / 16 * 16 : 0
        let packed = pool.workspace(floats: cut.packedFloats + pool.threadCount * leftFloats)
        let left = packed + cut.packedFloats
        cut.forEachSlab { slab in
            let groups = cut.panelGroups(of: slab)
            pool.forEachTile(groups * slab.depthBlocks.count) { index, _ in
                let (block, group) = index.quotientAndRemainder(dividingBy: groups)
                pack(
                    cut.panels(ofGroup: group, in: slab), depthBlock: slab.depthBlocks.lowerBound + block, of: slab,
                    cut,
                    into: packed)
            }
            let grid = cut.grid(for: slab, threads: pool.threadCount)
            let isLast = slab.depthBlocks.upperBound == cut.depthBlocks
            pool.forEachTile(grid.count) { index, thread in
                let (rows, panels) = cut.tile(index, of: grid, in: slab)
                for block in slab.depthBlocks {
                    multiply(
                        Tile.self, rows: rows, panels: panels, depthBlock: block, cut,
                        packed: packed + cut.offset(panel: panels.lowerBound, depthBlock: block, in: slab),
                        left: left + thread * leftFloats)
                }
                if isLast {
                    finish(
                        rows, panels.lowerBound * Tile.columns..<min(panels.upperBound * Tile.columns, columns), thread)
                }
            }
        }
    }

    private func pack(
        _ panels: Range<Int>, depthBlock: Int, of slab: ProductCut.Slab, _ cut: ProductCut,
        into packed: UnsafeMutablePointer<Float>
    ) {
        let first = panels.lowerBound * cut.tileColumns
        let depth = cut.depthRange(depthBlock)
        packRightPanels(
            b.dropping(rows: depth.lowerBound, columns: first), depth: depth.count,
            columns: min(panels.count * cut.tileColumns, columns - first), width: cut.tileColumns,
            into: packed + cut.offset(panel: panels.lowerBound, depthBlock: depthBlock, in: slab))
    }

    /// Adds one block of depth to a tile of the result.
    @inline(__always)
    private func multiply<Tile: RegisterTile>(
        _: Tile.Type, rows: Range<Int>, panels: Range<Int>, depthBlock: Int, _ cut: ProductCut,
        packed: UnsafePointer<Float>, left: UnsafeMutablePointer<Float>
    ) {
        let depth = cut.depthRange(depthBlock)
        let adds = accumulates || depthBlock > 0
        let source = a.dropping(rows: rows.lowerBound, columns: depth.lowerBound)
        if a.isTransposed {
            packLeftPanels(source, depth: depth.count, rows: rows.count, height: Tile.rows, into: left)
        }
        // Rows that lie as the product sees them are read where they are.
        let (leftStart, panelStride, rowStride, depthStride) =
            a.isTransposed
            ? (UnsafePointer(left), depth.count, 1, Tile.rows) : (source.pointer, a.stride, a.stride, 1)
        for panel in panels {
            let right = packed + (panel - panels.lowerBound) * Tile.columns * depth.count
            let column = panel * Tile.columns
            let width = min(Tile.columns, columns - column)
            var row = rows.lowerBound
            while row < rows.upperBound {
                let height = min(Tile.rows, rows.upperBound - row)
                runRegisterTile(
                    Tile.self, rows: height, columns: width, depth: depth.count,
                    leftStart + (row - rows.lowerBound) * panelStride, rowStride: rowStride, depthStride: depthStride,
                    right, rightStride: Tile.columns, into: c + row * stride + column, stride: stride,
                    accumulates: adds)
                row += Tile.rows
            }
        }
    }
}
