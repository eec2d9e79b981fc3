import Kernels

extension Tape {
    /// Looks up one row of a table for each id.
    ///
    /// - Parameters:
    ///   - tokens: `[N]` ids; they must stay in place until the backward pass.
    ///   - table: `[V, C]`, rows `firstRow..<firstRow + V` of the vocabulary.
    ///   - firstRow: Ids outside the table's rows give zero rows: another rank holds them.
    /// - Returns: `[N, C]`.
    public func embedding(_ tokens: UnsafeBufferPointer<Int32>, table: Tensor, firstRow: Int = 0) -> Tensor {
        let mark = mark()
        let columns = table.columns
        let y = makeTensor(rows: tokens.count, columns: columns)
        let (source, output) = (value(table), value(y))
        pool.forEachRange(tokens.count, tileSize: RowTiles.size(columns: columns)) { rows, _ in
            for row in rows {
                let id = Int(tokens[row]) - firstRow
                if (0..<table.rows).contains(id) {
                    (output + row * columns).update(from: source + id * columns, count: columns)
                } else {
                    (output + row * columns).update(repeating: 0, count: columns)
                }
            }
        }
        record(Embedding(tokens: tokens, table: table, firstRow: firstRow, y: y), since: mark)
        return y
    }
}

struct Embedding: Operator {
    let tokens: UnsafeBufferPointer<Int32>
    let table: Tensor
    let firstRow: Int
    let y: Tensor

    /// Columns of a tile. Threads share out columns, not tokens: two tokens may have the same row.
    private static let tileColumns = 64

    static let name: StaticString = "embedding"

    /// Backwards the rows are read, added to, and written.
    func cost(on tape: Tape) -> OperatorCost {
        .moving(forward: 2 * y.count, backward: 3 * y.count, shape: .init(rows: y.rows, inputs: y.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(table) else { return }
        if !sink.accumulates {
            tape.pool.forEachRange(table.count, tileSize: 1 << 18) { range, _ in
                (sink.pointer + range.lowerBound).update(repeating: 0, count: range.count)
            }
        }
        tape.pool.forEachRange(table.columns, tileSize: Self.tileColumns) { columns, _ in
            for row in 0..<tokens.count {
                let id = Int(tokens[row]) - firstRow
                guard (0..<table.rows).contains(id) else { continue }
                let destination = sink.pointer + id * table.columns
                let source = dy + row * table.columns
                for column in columns { destination[column] += source[column] }
            }
        }
    }
}
