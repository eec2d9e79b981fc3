import Kernels

extension Tape {
    /// Root-mean-square normalisation of each row: x / √(mean(x²) + ε) · weight.
    ///
    /// - Parameters:
    ///   - x: `[N, C]`.
    ///   - weight: `[1, C]`.
    /// - Returns: `[N, C]`.
    public func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float) -> Tensor {
        precondition(
            weight.count == x.columns, "rmsNorm: rows of \(x.columns) need as many weights, got \(weight.count)")
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        let inverses = isRecording ? allocateSaved(x.rows) : nil
        let norm = RMSNorm(x: x, weight: weight, epsilon: epsilon, y: y, inverses: inverses)
        norm.recompute(on: self)
        record(norm, since: mark)
        return y
    }
}

struct RMSNorm: RecomputableOperator {
    let x: Tensor
    let weight: Tensor
    let epsilon: Float
    let y: Tensor
    /// `[N]`: what each row was multiplied by; nil where no backward pass follows.
    let inverses: UnsafeMutablePointer<Float>?

    func recompute(on tape: Tape) {
        let (input, output, weights) = (tape.value(x), tape.value(y), tape.value(weight))
        tape.pool.forEachRange(x.rows, tileSize: RowTiles.size(columns: x.columns)) { rows, _ in
            let offset = rows.lowerBound * x.columns
            rmsNormForward(
                input + offset, weight: weights, epsilon: epsilon, into: output + offset,
                inverses: inverses.map { $0 + rows.lowerBound }, rows: rows.count, columns: x.columns)
        }
    }

    static let name: StaticString = "RMS norm"

    func cost(on tape: Tape) -> OperatorCost {
        .moving(forward: 2 * x.count, backward: 3 * x.count, shape: .init(rows: x.rows, inputs: x.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let inverses else { return }
        let columns = x.columns
        let (input, weights) = (tape.value(x), tape.value(weight))
        let sink = tape.gradientSink(x)
        let tileSize = RowTiles.sizeForSums(rows: x.rows, columns: columns)
        let tiles = (x.rows + tileSize - 1) / tileSize
        tape.withScratch(tiles * columns) { sums in
            tape.pool.forEachRange(x.rows, tileSize: tileSize) { rows, _ in
                let offset = rows.lowerBound * columns
                rmsNormBackward(
                    dy + offset, input + offset, weight: weights, inverses: inverses + rows.lowerBound,
                    into: sink.map { $0.pointer + offset }, accumulates: sink?.accumulates ?? false,
                    weightSums: sums + rows.lowerBound / tileSize * columns, rows: rows.count, columns: columns)
            }
            tape.sumPartials(sums, parts: tiles, stride: columns, into: weight)
        }
    }
}
