import Kernels
import Numerics

extension Tape {
    /// activation(x·Wᵀ + bias), then dropout, then + residual, all while a tile of the result is in cache.
    ///
    /// - Parameters:
    ///   - x: `[N, inputs]`.
    ///   - weight: `[outputs, inputs]`.
    ///   - bias: `[1, outputs]`.
    ///   - residual: `[N, outputs]`.
    /// - Returns: `[N, outputs]`.
    public func linear(
        _ x: Tensor, weight: Tensor, bias: Tensor? = nil, activation: Activation = .none, dropout: Dropout? = nil,
        residual: Tensor? = nil
    ) -> Tensor {
        precondition(
            x.columns == weight.columns, "linear: \(x.columns) inputs, but the weight is for \(weight.columns)")
        precondition(
            bias.map { $0.count == weight.rows } ?? true, "linear: the bias doesn't have \(weight.rows) elements")
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: weight.rows)
        precondition(residual.map { $0.rows == y.rows && $0.columns == y.columns } ?? true, "linear: residual's shape")
        // The backward pass of an activation needs its inputs; without one the sums become the result in place.
        let inputs = isRecording && activation != .none ? allocateSaved(y.count) : nil
        let sums = inputs ?? value(y)
        let finish = LinearFinish(
            bias: bias.map(value), activation: activation, dropout: dropout, residual: residual.map(value),
            columns: y.columns)
        let product = MatrixProduct(
            rows: y.rows, columns: y.columns, depth: x.columns, .init(value(x), stride: x.columns),
            .init(value(weight), stride: x.columns, isTransposed: true), into: sums)
        if finish.isIdentity {
            product.run(on: pool)
        } else {
            let output = value(y)
            withScratch(pool.threadCount * finish.scratchCount) { scratch in
                product.run(on: pool) { rows, columns, thread in
                    finish.run(
                        rows, columns, sums: sums, output: output, scratch: scratch + thread * finish.scratchCount)
                }
            }
        }
        record(
            Linear(
                x: x, weight: weight, bias: bias, activation: activation, activationInputs: inputs, dropout: dropout,
                residual: residual, y: y), since: mark)
        return y
    }
}

struct Linear: RecomputableOperator {
    let x: Tensor
    let weight: Tensor
    let bias: Tensor?
    let activation: Activation
    /// `[N, outputs]`, what the activation was applied to.
    let activationInputs: UnsafeMutablePointer<Float>?
    let dropout: Dropout?
    let residual: Tensor?
    let y: Tensor

    /// Where there is an activation, and nothing after it: everything else would need the product.
    func recompute(on tape: Tape) {
        guard let activationInputs, dropout == nil, residual == nil else {
            preconditionFailure("a linear's output can only be computed again from what its activation was applied to")
        }
        let output = tape.value(y)
        tape.pool.forEachRange(y.count, tileSize: 1 << 14) { range, _ in
            geluTanh(activationInputs + range.lowerBound, into: output + range.lowerBound, count: range.count)
        }
    }

    static let name: StaticString = "linear"

    func cost(on tape: Tape) -> OperatorCost {
        let sums = Trace.Work.product(rows: y.rows, columns: y.columns, depth: x.columns)
        let kept = activationInputs == nil ? 0 : y.count
        let xGradient = tape.requiresGradient(x) ? sums : .init()
        let weightGradient = tape.requiresGradient(weight) && tape.deferral == nil ? sums : .init()
        return OperatorCost(
            forward: sums + .moving(kept + (residual == nil ? 0 : y.count)),
            backward: xGradient + weightGradient + .moving(kept),
            shape: .init(rows: x.rows, inputs: x.columns, outputs: y.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y) else { return }
        let rewinds = activation != .none || dropout != nil
        if let list = tape.deferral, tape.requiresGradient(weight) {
            let sumsGradient = ownSumsGradient(from: dy, rewinds: rewinds, on: tape)
            multiplyForInput(sumsGradient, on: tape)
            tape.deferGradient(of: weight, sumsGradient: sumsGradient, input: x, into: list)
        } else {
            // The residual needs dy as it is; without one, the gradient of the sums takes its place.
            tape.withScratch(rewinds && residual != nil ? y.count : 0) { scratch in
                let sumsGradient = rewinds && residual != nil ? scratch : dy
                rewind.run(on: tape, from: dy, into: sumsGradient)
                multiplyForInput(sumsGradient, on: tape)
                multiplyForWeight(sumsGradient, on: tape)
            }
        }
        if let residual { tape.passGradient(from: y, to: residual) }
    }

    private var rewind: LinearRewind {
        LinearRewind(y: y, activationInputs: activationInputs, dropout: dropout, bias: bias)
    }

    /// The gradient of the sums in memory of its own, which lasts longer than the tape's.
    private func ownSumsGradient(
        from dy: UnsafeMutablePointer<Float>, rewinds: Bool, on tape: Tape
    ) -> UnsafeMutablePointer<Float> {
        if residual == nil, let own = tape.takeGradient(of: y) {
            rewind.run(on: tape, from: own, into: own)
            return own
        }
        let own = tape.arena.allocate(y.count)
        if rewinds || bias.map(tape.requiresGradient) ?? false {
            rewind.run(on: tape, from: dy, into: own)
        } else {
            own.update(from: dy, count: y.count)
        }
        return own
    }

    /// dX = dS·W, from the gradient of the sums.
    private func multiplyForInput(_ sumsGradient: UnsafePointer<Float>, on tape: Tape) {
        guard let sink = tape.gradientSink(x) else { return }
        let (inputs, outputs) = (x.columns, y.columns)
        MatrixProduct(
            rows: x.rows, columns: inputs, depth: outputs, .init(sumsGradient, stride: outputs),
            .init(tape.value(weight), stride: inputs), accumulates: sink.accumulates, into: sink.pointer
        ).run(on: tape.pool)
    }

    /// dW = dSᵀ·X.
    private func multiplyForWeight(_ sumsGradient: UnsafePointer<Float>, on tape: Tape) {
        guard let sink = tape.gradientSink(weight) else { return }
        let (inputs, outputs) = (x.columns, y.columns)
        MatrixProduct(
            rows: outputs, columns: inputs, depth: x.rows,
            .init(sumsGradient, stride: outputs, isTransposed: true), .init(tape.value(x), stride: inputs),
            accumulates: sink.accumulates, into: sink.pointer
        ).run(on: tape.pool)
    }
}
