import Kernels
import Numerics

struct CausalAttention: Operator {
    let qkv: Tensor
    let y: Tensor
    let shape: AttentionShape
    let rotary: RotaryTable?
    let dropout: AttentionDropout?
    /// `[batch, heads, sequence]`: the logarithm of each softmax's denominator.
    let logSumExp: UnsafeMutablePointer<Float>

    static let name: StaticString = "causal attention"

    /// Scores and outputs forwards; backwards five products, because the weights are not kept but computed again. Half of
    /// each: no query sees later keys.
    func cost(on tape: Tape) -> OperatorCost {
        let visible = Double(shape.batch * shape.heads) * Double(shape.sequence * (shape.sequence + 1) / 2)
        let product = Trace.Work(operations: 2 * visible * Double(shape.headSize))
        return OperatorCost(
            forward: product + product + .moving(qkv.count + y.count),
            backward: product + product + product + product + product + .moving(2 * qkv.count + 2 * y.count),
            shape: .init(rows: qkv.rows, inputs: qkv.columns, outputs: y.columns))
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(qkv) else { return }
        tape.withScratch(shape.tokens * shape.heads) { products in
            tape.attentionProducts(dy, tape.value(y), shape, into: products)
            guard sink.accumulates else {
                writeGradient(dy, products: products, into: sink.pointer, on: tape)
                return
            }
            // Rotation back is in place, so that the new gradient has to be whole before it is added.
            tape.withScratch(qkv.count) { gradient in
                writeGradient(dy, products: products, into: gradient, on: tape)
                tape.pool.forEachRange(qkv.count, tileSize: 1 << 15) { range, _ in
                    for index in range { sink.pointer[index] += gradient[index] }
                }
            }
        }
    }

    private func writeGradient(
        _ dy: UnsafePointer<Float>, products: UnsafePointer<Float>, into gradient: UnsafeMutablePointer<Float>,
        on tape: Tape
    ) {
        let keys = gradient + shape.outputColumns
        AttentionBackwardBlocks(
            AttentionInputs(qkv: tape.value(qkv), shape: shape, dropout: dropout), dy: dy, logSumExp: logSumExp,
            products: products,
            into: .init(queries: gradient, keys: keys, values: keys + shape.keyValueColumns, accumulates: false)
        ).run(on: tape)
        if let rotary {
            tape.rotate(gradient, shape, by: rotary, TokenPositions(sequenceLength: shape.sequence), inverse: true)
        }
    }
}
