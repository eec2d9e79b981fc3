import Kernels

extension Tape {
    /// Adds learned position embeddings: x[row] + table[position of the row].
    ///
    /// - Parameters:
    ///   - x: `[N, C]`.
    ///   - table: `[contextLength, C]`.
    ///   - positions: of the rows.
    /// - Returns: `[N, C]`.
    public func addPositions(_ x: Tensor, table: Tensor, positions: TokenPositions) -> Tensor {
        precondition(
            table.columns == x.columns, "addPositions: rows of \(x.columns) and positions of \(table.columns) differ")
        precondition(
            positions.end <= table.rows,
            "addPositions: positions up to \(positions.end) are outside the table's \(table.rows)")
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        let (input, output, embeddings) = (value(x), value(y), value(table))
        let columns = x.columns
        pool.forEachRange(x.rows, tileSize: RowTiles.size(columns: columns)) { rows, _ in
            for row in rows {
                let source = input + row * columns
                let embedding = embeddings + positions.position(ofRow: row) * columns
                let target = output + row * columns
                for column in 0..<columns { target[column] = source[column] + embedding[column] }
            }
        }
        record(AddPositions(x: x, table: table, y: y, positions: positions), since: mark)
        return y
    }
}

struct AddPositions: Operator {
    let x: Tensor
    let table: Tensor
    let y: Tensor
    let positions: TokenPositions

    static let name: StaticString = "add positions"

    func cost(on tape: Tape) -> OperatorCost {
        let embeddings = min(positions.sequenceLength, x.rows) * x.columns
        return .moving(
            forward: 2 * x.count + embeddings, backward: x.count + embeddings,
            shape: .init(rows: x.rows, inputs: x.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y) else { return }
        let (columns, length) = (x.columns, positions.sequenceLength)
        if let sink = tape.gradientSink(table) {
            tape.pool.forEachRange(table.rows, tileSize: RowTiles.size(columns: columns)) { range, _ in
                for position in range {
                    let target = sink.pointer + position * columns
                    if let first = positions.firstRow(at: position), first < x.rows {
                        sumRows(
                            dy + first * columns, rows: (x.rows - first + length - 1) / length,
                            stride: length * columns, into: target, columns: columns, accumulates: sink.accumulates)
                    } else if !sink.accumulates {
                        // Positions that no row has get no gradient.
                        target.update(repeating: 0, count: columns)
                    }
                }
            }
        }
        tape.passGradient(from: y, to: x)
    }
}
