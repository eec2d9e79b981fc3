import Numerics

extension Tape {
    /// Zeroes elements with the dropout's probability and scales the others by 1 / (1 - probability).
    ///
    /// - Parameter x: `[tokens, channels]`.
    /// - Returns: the same shape.
    public func dropout(_ x: Tensor, _ dropout: Dropout) -> Tensor {
        precondition(
            dropout.positions.sequence(ofRow: x.rows - 1) < dropout.sampleIndices.count,
            "dropout: \(x.rows) rows are more than \(dropout.sampleIndices.count) sequences have")
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        applyFactors(of: dropout, to: value(x), into: GradientSink(pointer: value(y), accumulates: false), shape: x)
        record(DropoutOperator(x: x, y: y, dropout: dropout), since: mark)
        return y
    }

    /// Multiplies a matrix of the shape of `shape` by the mask; the product of forward and backward alike.
    fileprivate func applyFactors(
        of dropout: Dropout, to source: UnsafePointer<Float>, into sink: GradientSink, shape: Tensor
    ) {
        let columns = shape.columns
        let mask = dropout.mask
        withScratch(pool.threadCount * columns) { scratch in
            pool.forEachRange(shape.rows, tileSize: RowTiles.size(columns: columns)) { rows, thread in
                let factors = scratch + thread * columns
                for row in rows {
                    dropout.writeFactors(row: row, channels: 0..<columns, mask: mask, into: factors)
                    let input = source + row * columns
                    let output = sink.pointer + row * columns
                    if sink.accumulates {
                        for column in 0..<columns { output[column] += input[column] * factors[column] }
                    } else {
                        for column in 0..<columns { output[column] = input[column] * factors[column] }
                    }
                }
            }
        }
    }
}

struct DropoutOperator: Operator {
    let x: Tensor
    let y: Tensor
    let dropout: Dropout

    static let name: StaticString = "dropout"

    func cost(on tape: Tape) -> OperatorCost {
        .moving(forward: 2 * x.count, backward: 2 * x.count, shape: .init(rows: x.rows, inputs: x.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(x) else { return }
        tape.applyFactors(of: dropout, to: dy, into: sink, shape: x)
    }
}
