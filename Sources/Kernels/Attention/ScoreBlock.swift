/// Scores of a block of keys for a block of queries, transposed: `[keys, queries]`, and the products that read and write
/// such a block. What a query cannot see is neither computed nor read.
///
/// Keys are rows so that everything about a query (its maximum, its sum, the gradient that it gives) is a column: the
/// loops over the block run along the queries, and none has to reduce a vector.
struct ScoreBlock<Tile: RegisterTile> {
    /// Positions of the keys.
    let keys: Range<Int>
    /// The position of query 0 of the block.
    let firstPosition: Int
    let queries: Int
    /// Floats from one key's row to the next: `queries`, filled up to whole vectors.
    let stride: Int

    init(keys: Range<Int>, firstPosition: Int, queries: Int) {
        self.keys = keys
        self.firstPosition = firstPosition
        self.queries = queries
        stride = Self.stride(queries: queries)
    }

    static func stride(queries: Int) -> Int {
        (queries + Tile.Narrow.columns - 1) / Tile.Narrow.columns * Tile.Narrow.columns
    }

    /// The first query that sees a key, counted in the block; `queries` if none does.
    func firstQuery(seeing key: Int) -> Int { min(max(keys.lowerBound + key - firstPosition, 0), queries) }

    /// Zeroes what products read of a key's row before the first query that sees it.
    func clearUnseen(_ row: UnsafeMutablePointer<Float>, firstQuery: Int) {
        let start = max(firstQuery - Tile.rows + 1, 0)
        (row + start).update(repeating: 0, count: firstQuery - start)
    }

    /// scores = left·right, where a query sees the key.
    ///
    /// - Parameters:
    ///   - left: `[keys, headSize]`, keys or values.
    ///   - right: `[headSize, stride]`, queries or gradients of outputs, transposed.
    @inline(__always)
    func multiply(
        _ left: UnsafePointer<Float>, leftStride: Int, by right: UnsafePointer<Float>, headSize: Int,
        into scores: UnsafeMutablePointer<Float>
    ) {
        var key = 0
        while key < keys.count {
            let rows = min(Tile.rows, keys.count - key)
            var column = firstQuery(seeing: key) / Tile.Narrow.columns * Tile.Narrow.columns
            while column < stride {
                let columns = min(Tile.columns, stride - column)
                runRegisterTile(
                    Tile.self, rows: rows, columns: columns, depth: headSize, left + key * leftStride,
                    rowStride: leftStride, depthStride: 1, right + column, rightStride: stride,
                    into: scores + key * stride + column, stride: stride, accumulates: false)
                column += columns
            }
            key += Tile.rows
        }
    }

    /// result = weightsᵀ·right: for each query, the sum of the rows of the keys that it sees.
    ///
    /// - Parameters:
    ///   - right: `[keys, headSize]` without gaps.
    ///   - result: `[queries, headSize]`.
    @inline(__always)
    func sumOverKeys(
        _ weights: UnsafePointer<Float>, of right: UnsafePointer<Float>, headSize: Int,
        into result: UnsafeMutablePointer<Float>, resultStride: Int, accumulates: Bool
    ) {
        var query = 0
        while query < queries {
            let rows = min(Tile.rows, queries - query)
            let depth = min(firstPosition + query + rows - keys.lowerBound, keys.count)
            if depth > 0 || !accumulates {
                multiplyRows(
                    rows, depth: max(depth, 0), weights + query, rowStride: 1, depthStride: stride, right, headSize,
                    into: result + query * resultStride, resultStride, accumulates: accumulates)
            }
            query += Tile.rows
        }
    }

    /// result = weights·right: for each key, the sum of the rows of the queries that see it.
    ///
    /// - Parameters:
    ///   - right: `[queries, headSize]` without gaps.
    ///   - result: `[keys, headSize]`.
    @inline(__always)
    func sumOverQueries(
        _ weights: UnsafePointer<Float>, of right: UnsafePointer<Float>, headSize: Int,
        into result: UnsafeMutablePointer<Float>, resultStride: Int, accumulates: Bool
    ) {
        var key = 0
        while key < keys.count {
            let first = firstQuery(seeing: key)
            if first < queries || !accumulates {
                multiplyRows(
                    min(Tile.rows, keys.count - key), depth: queries - first, weights + key * stride + first,
                    rowStride: stride, depthStride: 1, right + first * headSize, headSize,
                    into: result + key * resultStride, resultStride, accumulates: accumulates)
            }
            key += Tile.rows
        }
    }

    @inline(__always)
    private func multiplyRows(
        _ rows: Int, depth: Int, _ left: UnsafePointer<Float>, rowStride: Int, depthStride: Int,
        _ right: UnsafePointer<Float>, _ headSize: Int, into result: UnsafeMutablePointer<Float>, _ resultStride: Int,
        accumulates: Bool
    ) {
        var column = 0
        while column < headSize {
            let columns = min(Tile.columns, headSize - column)
            runRegisterTile(
                Tile.self, rows: rows, columns: columns, depth: depth, left, rowStride: rowStride,
                depthStride: depthStride, right + column, rightStride: headSize, into: result + column,
                stride: resultStride, accumulates: accumulates)
            column += columns
        }
    }
}

/// Copies the rows of one head so that no gaps lie between them.
///
/// - Parameter target: `[rows, headSize]`, and one vector more: tiles may read beyond the last row.
@inline(__always)
func gatherHead(
    _ source: UnsafePointer<Float>, stride: Int, rows: Int, headSize: Int, into target: UnsafeMutablePointer<Float>
) {
    for row in 0..<rows {
        let (from, to) = (source + row &* stride, target + row &* headSize)
        for column in 0..<headSize { to[column] = from[column] }
    }
}

/// Writes rows of one head transposed, `[headSize, targetStride]`, times a factor; columns without a row become zero.
@inline(__always)
func transposeHead(
    _ source: UnsafePointer<Float>, stride: Int, rows: Int, headSize: Int, scale: Float,
    into target: UnsafeMutablePointer<Float>, targetStride: Int
) {
    transposeRows(source, stride: stride, count: headSize, rows: rows, into: target, targetStride: targetStride)
    for channel in 0..<headSize {
        let row = target + channel &* targetStride
        if scale != 1 { for query in 0..<rows { row[query] *= scale } }
        for query in rows..<targetStride { row[query] = 0 }
    }
}
