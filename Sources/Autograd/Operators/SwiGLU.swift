import Kernels

extension Tape {
    /// silu(gate) · up, the gated hidden layer of Llama's feed-forward part.
    ///
    /// - Parameter gateUp: `[N, 2F]`, each row its gate and then its up part.
    /// - Returns: `[N, F]`.
    public func swiGLU(_ gateUp: Tensor) -> Tensor {
        precondition(
            gateUp.columns % 2 == 0, "swiGLU: a row is a gate and an up part of one size, got \(gateUp.columns) columns"
        )
        let mark = mark()
        let y = makeTensor(rows: gateUp.rows, columns: gateUp.columns / 2)
        let gated = SwiGLU(gateUp: gateUp, y: y)
        gated.recompute(on: self)
        record(gated, since: mark)
        return y
    }
}

struct SwiGLU: RecomputableOperator {
    let gateUp: Tensor
    let y: Tensor

    func recompute(on tape: Tape) {
        let (input, output) = (tape.value(gateUp), tape.value(y))
        let columns = y.columns
        tape.pool.forEachRange(y.rows, tileSize: RowTiles.size(columns: gateUp.columns)) { rows, _ in
            swiGLUForward(
                input + rows.lowerBound * 2 * columns, into: output + rows.lowerBound * columns, rows: rows.count,
                columns: columns)
        }
    }

    static let name: StaticString = "SwiGLU"

    func cost(on tape: Tape) -> OperatorCost {
        .moving(
            forward: 3 * y.count, backward: 5 * y.count,
            shape: .init(rows: y.rows, inputs: gateUp.columns, outputs: y.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(gateUp) else { return }
        let input = tape.value(gateUp)
        let columns = y.columns
        tape.pool.forEachRange(y.rows, tileSize: RowTiles.size(columns: gateUp.columns)) { rows, _ in
            let offset = rows.lowerBound * 2 * columns
            swiGLUBackward(
                dy + rows.lowerBound * columns, input + offset, into: sink.pointer + offset,
                accumulates: sink.accumulates, rows: rows.count, columns: columns)
        }
    }
}
