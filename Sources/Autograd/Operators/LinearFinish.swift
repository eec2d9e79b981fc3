import Kernels
import Numerics

/// What a linear does to its sums, one tile at a time.
struct LinearFinish {
    let bias: UnsafePointer<Float>?
    let activation: Activation
    let dropout: Dropout?
    let residual: UnsafePointer<Float>?
    /// Floats from one row to the next of sums, output and residual.
    let columns: Int
    private let mask: DropoutMask?

    init(
        bias: UnsafePointer<Float>?, activation: Activation, dropout: Dropout?, residual: UnsafePointer<Float>?,
        columns: Int
    ) {
        self.bias = bias
        self.activation = activation
        self.dropout = dropout
        self.residual = residual
        self.columns = columns
        mask = dropout?.mask
    }

    var isIdentity: Bool { bias == nil && activation == .none && dropout == nil && residual == nil }

    /// Floats of memory that a thread needs.
    var scratchCount: Int { dropout == nil ? 0 : columns }

    /// Turns part of the sums into the output; both may be the same memory where there is no activation.
    func run(
        _ rows: Range<Int>, _ columnRange: Range<Int>, sums: UnsafeMutablePointer<Float>,
        output: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        let count = columnRange.count
        for row in rows {
            let offset = row * columns + columnRange.lowerBound
            let (sum, result) = (sums + offset, output + offset)
            if let bias { add(bias + columnRange.lowerBound, to: sum, count: count) }
            switch activation {
            case .none: break
            case .geluTanh:
                if sums == output {
                    geluTanh(inPlace: result, count: count)
                } else {
                    geluTanh(sum, into: result, count: count)
                }
            }
            if let dropout, let mask {
                dropout.writeFactors(row: row, channels: columnRange, mask: mask, into: scratch)
                multiply(result, by: scratch, count: count)
            }
            if let residual { add(residual + offset, to: result, count: count) }
        }
    }
}

/// The way back from the gradient of a linear's output to that of its sums, and to that of its bias.
struct LinearRewind {
    let y: Tensor
    let activationInputs: UnsafeMutablePointer<Float>?
    let dropout: Dropout?
    let bias: Tensor?

    /// - Parameter sumsGradient: receives the gradient; may be `dy`, and is left alone if it is and nothing changes.
    func run(on tape: Tape, from dy: UnsafeMutablePointer<Float>, into sumsGradient: UnsafeMutablePointer<Float>) {
        let columns = y.columns
        let needsBias = bias.map(tape.requiresGradient) ?? false
        guard needsBias || activationInputs != nil || dropout != nil else { return }
        let mask = dropout?.mask
        let tileSize = RowTiles.sizeForSums(rows: y.rows, columns: columns)
        let parts = (y.rows + tileSize - 1) / tileSize
        let factorCount = dropout == nil ? 0 : columns * tape.pool.threadCount
        tape.withScratch((needsBias ? parts * columns : 0) + factorCount) { scratch in
            let partials = scratch + factorCount
            tape.pool.forEachRange(y.rows, tileSize: tileSize) { rows, thread in
                for row in rows {
                    let (gradient, source) = (sumsGradient + row * columns, dy + row * columns)
                    if let dropout, let mask {
                        let factors = scratch + thread * columns
                        dropout.writeFactors(row: row, channels: 0..<columns, mask: mask, into: factors)
                        if gradient == source {
                            multiply(gradient, by: factors, count: columns)
                        } else {
                            multiply(source, by: factors, into: gradient, count: columns)
                        }
                    } else if gradient != source {
                        gradient.update(from: source, count: columns)
                    }
                    if let activationInputs {
                        geluTanhBackward(gradient, inputs: activationInputs + row * columns, count: columns)
                    }
                    if needsBias {
                        let partial = partials + rows.lowerBound / tileSize * columns
                        sumRows(
                            gradient, rows: 1, stride: columns, into: partial, columns: columns,
                            accumulates: row > rows.lowerBound)
                    }
                }
            }
            if let bias, needsBias { tape.sumPartials(partials, parts: parts, stride: columns, into: bias) }
        }
    }
}
