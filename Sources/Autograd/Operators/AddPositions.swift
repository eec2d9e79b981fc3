import Kernels

extension Tape {
    /// Adds learned position embeddings: x[b·T + t] + table[firstPosition + t].
    ///
    /// - Parameters:
    ///   - x: `[B·T, C]`.
    ///   - table: `[contextLength, C]`.
    ///   - sequenceLength: T.
    ///   - firstPosition: the position of each sequence's first row.
    /// - Returns: `[B·T, C]`.
    public func addPositions(_ x: Tensor, table: Tensor, sequenceLength: Int, firstPosition: Int = 0) -> Tensor {
        precondition(
            table.columns == x.columns, "addPositions: rows of \(x.columns) and positions of \(table.columns) differ")
        precondition(
            sequenceLength > 0 && x.rows % sequenceLength == 0,
            "addPositions: \(x.rows) rows are not whole sequences of \(sequenceLength)")
        precondition(
            firstPosition >= 0 && firstPosition + sequenceLength <= table.rows,
            "addPositions: positions \(firstPosition)..<\(firstPosition + sequenceLength) are outside the table's \(table.rows)"
        )
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        let (input, output, positions) = (value(x), value(y), value(table))
        let columns = x.columns
        pool.forEachRange(x.rows, tileSize: RowTiles.size(columns: columns)) { rows, _ in
            for row in rows {
                let source = input + row * columns
                let position = positions + (firstPosition + row % sequenceLength) * columns
                let target = output + row * columns
                for column in 0..<columns { target[column] = source[column] + position[column] }
            }
        }
        record(
            AddPositions(x: x, table: table, y: y, sequenceLength: sequenceLength, firstPosition: firstPosition),
            since: mark)
        return y
    }
}

struct AddPositions: Operator {
    let x: Tensor
    let table: Tensor
    let y: Tensor
    let sequenceLength: Int
    let firstPosition: Int

    static let name: StaticString = "add positions"

    func cost(on tape: Tape) -> OperatorCost {
        let positions = sequenceLength * x.columns
        return .moving(
            forward: 2 * x.count + positions, backward: x.count + positions,
            shape: .init(rows: x.rows, inputs: x.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y) else { return }
        let columns = x.columns
        let batch = x.rows / sequenceLength
        if let sink = tape.gradientSink(table) {
            if !sink.accumulates {
                // Positions that this batch does not use get no gradient.
                let end = firstPosition + sequenceLength
                sink.pointer.update(repeating: 0, count: firstPosition * columns)
                (sink.pointer + end * columns).update(repeating: 0, count: (table.rows - end) * columns)
            }
            tape.pool.forEachRange(sequenceLength, tileSize: RowTiles.size(columns: columns)) { positions, _ in
                for position in positions {
                    sumRows(
                        dy + position * columns, rows: batch, stride: sequenceLength * columns,
                        into: sink.pointer + (firstPosition + position) * columns, columns: columns,
                        accumulates: sink.accumulates)
                }
            }
        }
        tape.passGradient(from: y, to: x)
    }
}
