import Kernels

extension Tape {
    /// Layer normalisation of each row: (x - mean) / √(variance + ε) · weight + bias.
    ///
    /// - Parameters:
    ///   - x: `[N, C]`.
    ///   - weight: `[1, C]`.
    ///   - bias: `[1, C]`.
    /// - Returns: `[N, C]`.
    public func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float) -> Tensor {
        precondition(
            weight.count == x.columns && bias.count == x.columns,
            "layerNorm: rows of \(x.columns) need as many weights and biases, got \(weight.count) and \(bias.count)")
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        let statistics = isRecording ? allocateSaved(2 * x.rows) : nil
        let norm = LayerNorm(x: x, weight: weight, bias: bias, epsilon: epsilon, y: y, statistics: statistics)
        norm.recompute(on: self)
        record(norm, since: mark)
        return y
    }
}

struct LayerNorm: RecomputableOperator {
    let x: Tensor
    let weight: Tensor
    let bias: Tensor
    let epsilon: Float
    let y: Tensor
    /// `[N, 2]`: mean and inverse deviation of each row; nil where no backward pass follows.
    let statistics: UnsafeMutablePointer<Float>?

    func recompute(on tape: Tape) {
        let (input, output) = (tape.value(x), tape.value(y))
        let (weights, biases) = (tape.value(weight), tape.value(bias))
        tape.pool.forEachRange(x.rows, tileSize: RowTiles.size(columns: x.columns)) { rows, _ in
            let offset = rows.lowerBound * x.columns
            layerNormForward(
                input + offset, weight: weights, bias: biases, epsilon: epsilon, into: output + offset,
                statistics: statistics.map { $0 + 2 * rows.lowerBound }, rows: rows.count, columns: x.columns)
        }
    }

    static let name: StaticString = "layer norm"

    func cost(on tape: Tape) -> OperatorCost {
        .moving(forward: 2 * x.count, backward: 3 * x.count, shape: .init(rows: x.rows, inputs: x.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let statistics else { return }
        let columns = x.columns
        let (input, weights) = (tape.value(x), tape.value(weight))
        let sink = tape.gradientSink(x)
        let tileSize = RowTiles.sizeForSums(rows: x.rows, columns: columns)
        let tiles = (x.rows + tileSize - 1) / tileSize
        tape.withScratch(tiles * 2 * columns) { sums in
            tape.pool.forEachRange(x.rows, tileSize: tileSize) { rows, _ in
                let offset = rows.lowerBound * columns
                layerNormBackward(
                    dy + offset, input + offset, weight: weights, statistics: statistics + 2 * rows.lowerBound,
                    into: sink.map { $0.pointer + offset }, accumulates: sink?.accumulates ?? false,
                    parameterSums: sums + rows.lowerBound / tileSize * 2 * columns, rows: rows.count, columns: columns)
            }
            tape.sumPartials(sums, parts: tiles, stride: 2 * columns, into: weight)
            tape.sumPartials(sums + columns, parts: tiles, stride: 2 * columns, into: bias)
        }
    }
}
