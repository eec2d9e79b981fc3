import Kernels
import Numerics

extension Tape {
    /// residual + dropout(x + bias): finishes a linear whose sums come from several ranks.
    ///
    /// - Parameters:
    ///   - x: `[N, C]`.
    ///   - bias: `[1, C]`.
    ///   - residual: `[N, C]`.
    /// - Returns: `[N, C]`.
    public func addBiasResidual(_ x: Tensor, bias: Tensor?, dropout: Dropout?, residual: Tensor) -> Tensor {
        precondition(
            x.rows == residual.rows && x.columns == residual.columns,
            "addBiasResidual: [\(x.rows), \(x.columns)] and a residual [\(residual.rows), \(residual.columns)]")
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        let finish = LinearFinish(
            bias: bias.map(value), activation: .none, dropout: dropout, residual: value(residual), columns: x.columns)
        let (input, output) = (value(x), value(y))
        let columns = x.columns
        withScratch(pool.threadCount * finish.scratchCount) { scratch in
            pool.forEachRange(x.rows, tileSize: RowTiles.size(columns: columns)) { rows, thread in
                (output + rows.lowerBound * columns).update(
                    from: input + rows.lowerBound * columns, count: rows.count * columns)
                finish.run(
                    rows, 0..<columns, sums: output, output: output, scratch: scratch + thread * finish.scratchCount)
            }
        }
        record(AddBiasResidual(x: x, bias: bias, dropout: dropout, residual: residual, y: y), since: mark)
        return y
    }
}

struct AddBiasResidual: Operator {
    let x: Tensor
    let bias: Tensor?
    let dropout: Dropout?
    let residual: Tensor
    let y: Tensor

    static let name: StaticString = "add bias and residual"

    func cost(on tape: Tape) -> OperatorCost {
        .moving(forward: 3 * y.count, backward: 2 * y.count, shape: .init(rows: y.rows, inputs: y.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y) else { return }
        tape.withScratch(dropout == nil ? 0 : y.count) { scratch in
            let sumsGradient = dropout == nil ? dy : scratch
            LinearRewind(y: y, activationInputs: nil, dropout: dropout, bias: bias)
                .run(on: tape, from: dy, into: sumsGradient)
            if let sink = tape.gradientSink(x) {
                tape.pool.forEachRange(y.count, tileSize: 1 << 14) { range, _ in
                    let (source, target) = (sumsGradient + range.lowerBound, sink.pointer + range.lowerBound)
                    if sink.accumulates {
                        add(source, to: target, count: range.count)
                    } else {
                        target.update(from: source, count: range.count)
                    }
                }
            }
        }
        tape.passGradient(from: y, to: residual)
    }
}
