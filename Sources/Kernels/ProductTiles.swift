/// How a matrix product is cut into tiles of its result, which threads take one by one.
///
/// The cut depends on the product's shape alone, never on the number of threads, so that every number of threads gives
/// the same bits. Each tile's product packs its rows of one factor and its columns of the other anew, which favours few
/// and square tiles; threads to feed, and the cache, favour many. The choice is the largest number of tiles that costs
/// two threads no more than a few percent over their best.
public struct ProductTiles: Hashable, Sendable {
    public let rows: Int
    public let columns: Int
    /// Of every tile but the last in its direction, which may be smaller.
    public let tileRows: Int
    public let tileColumns: Int

    /// Nanoseconds of a multiply-add, and of packing an element of a factor, on a recent core (160 GFLOP/s).
    private static let productTime = 0.0125
    private static let packingTime = 0.3
    /// Nanoseconds to hand out a tile and to call the library.
    private static let tileTime = 1_000.0
    /// What more tiles may cost two threads, as a fraction.
    private static let allowedLoss = 0.04
    /// Floats of a tile above which it is cut further: beyond, it would leave the caches before it is finished.
    private static let largestTile = 1 << 20
    /// Tiles begin at multiples of this in both directions: the kernels' blocks are then whole, and rows aligned.
    private static let granularity = 16

    /// - Parameters:
    ///   - rows: of the result.
    ///   - columns: of the result.
    ///   - depth: elements that are summed into each of its elements.
    public init(rows: Int, columns: Int, depth: Int) {
        self.rows = rows
        self.columns = columns
        var best = (rows: rows, columns: columns)
        var leastTime = Double.infinity
        var tiles = 1
        while tiles <= 64 {
            let candidate = Self.squarest(tiles, rows: rows, columns: columns)
            let time = Self.time(candidate, rows: rows, columns: columns, depth: depth)
            let isTooLarge = best.rows * best.columns > Self.largestTile
            if isTooLarge || time <= leastTime * (1 + Self.allowedLoss) { best = candidate }
            leastTime = min(leastTime, time)
            tiles *= 2
        }
        tileRows = best.rows
        tileColumns = best.columns
    }

    /// The tile whose perimeter, and so whose packing, is least when `tiles` of them cover the result.
    private static func squarest(_ tiles: Int, rows: Int, columns: Int) -> (rows: Int, columns: Int) {
        var best = (rows: rows, columns: columns)
        var leastPerimeter = Int.max
        var down = 1
        while down <= tiles {
            let candidate = (rows: part(rows, of: down), columns: part(columns, of: tiles / down))
            if candidate.rows + candidate.columns < leastPerimeter {
                leastPerimeter = candidate.rows + candidate.columns
                best = candidate
            }
            down *= 2
        }
        return best
    }

    private static func part(_ length: Int, of parts: Int) -> Int {
        let size = (length + parts - 1) / parts
        return max(min((size + granularity - 1) / granularity * granularity, length), 1)
    }

    /// Nanoseconds that two threads would take.
    private static func time(_ tile: (rows: Int, columns: Int), rows: Int, columns: Int, depth: Int) -> Double {
        let count = ((rows + tile.rows - 1) / tile.rows) * ((columns + tile.columns - 1) / tile.columns)
        let product = Double(tile.rows) * Double(tile.columns) * Double(depth) * productTime
        let packing = Double(tile.rows + tile.columns) * Double(depth) * packingTime
        return Double((count + 1) / 2) * (product + packing + tileTime)
    }

    private var across: Int { (columns + tileColumns - 1) / max(tileColumns, 1) }
    private var down: Int { (rows + tileRows - 1) / max(tileRows, 1) }

    public var count: Int { across * down }

    /// The part of the result that is a tile's.
    public func ranges(of tile: Int) -> (rows: Range<Int>, columns: Range<Int>) {
        let firstRow = tile / across * tileRows
        let firstColumn = tile % across * tileColumns
        return (
            firstRow..<min(firstRow + tileRows, rows), firstColumn..<min(firstColumn + tileColumns, columns)
        )
    }
}
