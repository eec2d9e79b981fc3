import Numerics

/// One matrix product, `c ← a·b + beta · c`, cut into tiles for a pool of threads.
///
/// The library runs on one thread a tile; what has to happen to the sums follows at once, with the tile in cache.
public struct MatrixProduct {
    private let depth: Int
    private let a: BLAS.Factor
    private let b: BLAS.Factor
    private let beta: Float
    private let c: UnsafeMutablePointer<Float>
    private let stride: Int
    private let tiles: ProductTiles

    /// - Parameters:
    ///   - rows: of `a` and `c`.
    ///   - columns: of `b` and `c`.
    ///   - depth: columns of `a`, rows of `b`.
    ///   - beta: with 0 nothing is read from `c`.
    ///   - stride: floats from one row of `c` to the next; `columns` where it is left out.
    public init(
        rows: Int, columns: Int, depth: Int, _ a: BLAS.Factor, _ b: BLAS.Factor, beta: Float = 0,
        into c: UnsafeMutablePointer<Float>, stride: Int? = nil
    ) {
        self.depth = depth
        self.a = a
        self.b = b
        self.beta = beta
        self.c = c
        self.stride = stride ?? columns
        tiles = ProductTiles(rows: rows, columns: columns, depth: depth)
    }

    /// Computes the product; `finish` is called for each tile when its sums are complete.
    public func run(
        on pool: ThreadPool, finish: (_ rows: Range<Int>, _ columns: Range<Int>, _ thread: Int) -> Void
    ) {
        pool.forEachTile(tiles.count) { tile, thread in
            runTile(tile)
            let ranges = tiles.ranges(of: tile)
            finish(ranges.rows, ranges.columns, thread)
        }
    }

    public func run(on pool: ThreadPool) { pool.forEachTile(tiles.count) { tile, _ in runTile(tile) } }

    /// Computes two products that don't depend on each other in one loop, which leaves threads less to wait for.
    public static func run(_ first: MatrixProduct, _ second: MatrixProduct, on pool: ThreadPool) {
        let firstCount = first.tiles.count
        pool.forEachTile(firstCount + second.tiles.count) { tile, _ in
            if tile < firstCount { first.runTile(tile) } else { second.runTile(tile - firstCount) }
        }
    }

    private func runTile(_ tile: Int) {
        let (rows, columns) = tiles.ranges(of: tile)
        BLAS.multiply(
            m: rows.count, n: columns.count, k: depth, a.dropping(rows: rows.lowerBound, columns: 0),
            b.dropping(rows: 0, columns: columns.lowerBound), beta: beta,
            into: c + rows.lowerBound * stride + columns.lowerBound, stride: stride)
    }
}
