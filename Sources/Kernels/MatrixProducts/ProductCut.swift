/// How a matrix product is cut: the depth into blocks, the right factor into slabs that are packed at one time, and the
/// result into tiles that threads take one by one.
///
/// The blocks of depth decide the order in which products are summed, and depend on the depth alone. Everything else
/// may depend on the number of threads, since it changes no bit of the result.
package struct ProductCut {
    let rows: Int
    let columns: Int
    let depth: Int
    let tileRows: Int
    let tileColumns: Int

    /// Products that are summed in registers before they are added to the result: a panel of the right factor then fits
    /// the first-level cache beside the rows of the left one.
    package static let largestDepthBlock = 384
    /// Floats of the right factor that are packed at one time: what the last-level cache holds.
    static let slabFloats = 1 << 20
    /// Rows of a tile: with a block of depth, what the second-level cache holds of the left factor.
    static let largestTileRows = 96
    /// Tiles for each thread, where the result is large enough, so that all end at nearly the same time.
    private static let tilesPerThread = 8
    /// Multiply-adds below which a tile is not cut further: handing it out would show.
    private static let leastWork = 2 << 20
    /// Register tiles in a tile's height, and columns in its width, below which it is not cut further for a better
    /// balance: panels of the right factor would be fetched, and rows of the left one packed, too often.
    private static let fewestRegisterTiles = 4
    private static let fewestColumns = 384

    /// Columns that are packed at one time: half a page of each row.
    private static let groupColumns = 512

    package let depthBlocks: Int
    let panels: Int
    let slabPanels: Int
    let slabDepthBlocks: Int

    package init(rows: Int, columns: Int, depth: Int, tileRows: Int, tileColumns: Int) {
        self.rows = rows
        self.columns = columns
        self.depth = depth
        self.tileRows = tileRows
        self.tileColumns = tileColumns
        depthBlocks = max((depth + Self.largestDepthBlock - 1) / Self.largestDepthBlock, 1)
        panels = (columns + tileColumns - 1) / tileColumns
        let panelFloats = max((depth + depthBlocks - 1) / depthBlocks * tileColumns, 1)
        // All columns at once if possible, so that the left factor is read once; then as much of the depth as fits, so
        // that the result is.
        slabPanels = min(panels, max(1, Self.slabFloats / panelFloats))
        slabDepthBlocks = min(depthBlocks, max(1, Self.slabFloats / (panelFloats * max(slabPanels, 1))))
    }

    /// Block `index` of the depth.
    package func depthRange(_ index: Int) -> Range<Int> {
        depth * index / depthBlocks..<depth * (index + 1) / depthBlocks
    }

    /// Floats that a packed slab takes.
    var packedFloats: Int {
        let depthBlock = (depth + depthBlocks - 1) / depthBlocks
        return slabPanels * tileColumns * depthBlock * slabDepthBlocks
    }

    /// Floats that one thread needs to pack a tile's rows of a transposed left factor.
    var leftFloats: Int {
        (Self.largestTileRows + 2 * tileRows) * min(depth, Self.largestDepthBlock)
    }

    /// Calls `body` for each slab: all blocks of depth for some panels, then for the next.
    package func forEachSlab(_ body: (_ slab: Slab) -> Void) {
        let across = panels == 0 ? 0 : (panels + slabPanels - 1) / slabPanels
        let down = (depthBlocks + slabDepthBlocks - 1) / slabDepthBlocks
        for column in 0..<across {
            for row in 0..<down {
                body(
                    Slab(
                        panels: panels * column / across..<panels * (column + 1) / across,
                        depthBlocks: depthBlocks * row / down..<depthBlocks * (row + 1) / down))
            }
        }
    }

    /// A part of the right factor.
    package struct Slab {
        package let panels: Range<Int>
        package let depthBlocks: Range<Int>
    }

    /// Where a block of depth of a panel begins in the packed slab: panels of one block lie side by side.
    func offset(panel: Int, depthBlock: Int, in slab: Slab) -> Int {
        let depth = depthRange(depthBlock)
        let depthBefore = depth.lowerBound - depthRange(slab.depthBlocks.lowerBound).lowerBound
        return tileColumns
            * (depthBefore * slab.panels.count + (panel - slab.panels.lowerBound) * depth.count)
    }

    /// Groups of panels that are packed at one time.
    func panelGroups(of slab: Slab) -> Int {
        max(1, (slab.panels.count * tileColumns + Self.groupColumns - 1) / Self.groupColumns)
    }

    func panels(ofGroup group: Int, in slab: Slab) -> Range<Int> {
        let (count, groups, start) = (slab.panels.count, panelGroups(of: slab), slab.panels.lowerBound)
        return start + count * group / groups..<start + count * (group + 1) / groups
    }

    /// The grid of tiles over the rows of the result and the columns of a slab.
    package struct Grid {
        let rowTiles: Int
        let columnTiles: Int
        package var count: Int { rowTiles * columnTiles }
    }

    package func grid(for slab: Slab, threads: Int) -> Grid {
        let registerTiles = (rows + tileRows - 1) / tileRows
        let depth = slab.depthBlocks.reduce(0) { $0 + depthRange($1).count }
        let work = rows * slab.panels.count * tileColumns * depth
        let wanted = threads == 1 ? 1 : min(Self.tilesPerThread * threads, max(work / Self.leastWork, 1))
        let fewest = (rows + Self.largestTileRows - 1) / Self.largestTileRows
        var rowTiles = max(fewest, min(wanted, registerTiles / Self.fewestRegisterTiles))
        // Even shares: nobody waits for a thread that has one tile more.
        if rowTiles > threads { rowTiles = (rowTiles + threads - 1) / threads * threads }
        rowTiles = min(rowTiles, registerTiles)
        var columnTiles = 1
        while rowTiles * columnTiles < wanted, 2 * columnTiles <= slab.panels.count {
            let isNarrow = slab.panels.count * tileColumns / (columnTiles * 2) < Self.fewestColumns
            if isNarrow, rowTiles * columnTiles >= threads { break }
            columnTiles *= 2
        }
        return Grid(rowTiles: rowTiles, columnTiles: columnTiles)
    }

    /// Rows of the result and panels of the slab that are a tile's.
    package func tile(_ index: Int, of grid: Grid, in slab: Slab) -> (rows: Range<Int>, panels: Range<Int>) {
        let (row, column) = index.quotientAndRemainder(dividingBy: grid.columnTiles)
        let registerTiles = (rows + tileRows - 1) / tileRows
        let (first, end) = (registerTiles * row / grid.rowTiles, registerTiles * (row + 1) / grid.rowTiles)
        let (panels, start) = (slab.panels.count, slab.panels.lowerBound)
        return (
            first * tileRows..<min(end * tileRows, rows),
            start + panels * column / grid.columnTiles..<start + panels * (column + 1) / grid.columnTiles
        )
    }
}
