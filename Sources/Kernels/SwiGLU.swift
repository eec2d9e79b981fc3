/// SwiGLU: silu(gate) · up, with silu(z) = z·σ(z) (Shazeer 2020).
///
/// - Parameters:
///   - gateUp: `[rows, 2·columns]`, each row its gate and then its up part.
///   - y: `[rows, columns]`, receives the result; must not overlap `gateUp`.
public func swiGLUForward(
    _ gateUp: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    for row in 0..<rows {
        let gate = gateUp + row * 2 * columns
        let up = gate + columns
        let output = y + row * columns
        for column in 0..<columns { output[column] = gate[column] * sigmoid(gate[column]) * up[column] }
    }
}

/// The gradient of SwiGLU's input.
///
/// - Parameters:
///   - dy: the gradient of the result, `[rows, columns]`.
///   - gateUp: the input of the forward pass, `[rows, 2·columns]`.
///   - gradient: `[rows, 2·columns]`, receives the gradient of `gateUp`.
///   - accumulates: whether to add to `gradient` instead of overwriting it.
public func swiGLUBackward(
    _ dy: UnsafePointer<Float>, _ gateUp: UnsafePointer<Float>, into gradient: UnsafeMutablePointer<Float>,
    accumulates: Bool, rows: Int, columns: Int
) {
    for row in 0..<rows {
        let gate = gateUp + row * 2 * columns
        let up = gate + columns
        let dGate = gradient + row * 2 * columns
        let dUp = dGate + columns
        let dOutput = dy + row * columns
        if accumulates {
            for column in 0..<columns {
                let (gateShare, upShare) = swiGLUGradient(gate[column], up[column], dOutput[column])
                dGate[column] += gateShare
                dUp[column] += upShare
            }
        } else {
            for column in 0..<columns {
                let (gateShare, upShare) = swiGLUGradient(gate[column], up[column], dOutput[column])
                dGate[column] = gateShare
                dUp[column] = upShare
            }
        }
    }
}

/// silu′(z) = σ(z)·(1 + z·(1 - σ(z))).
@inline(__always)
private func swiGLUGradient(_ gate: Float, _ up: Float, _ gradient: Float) -> (gate: Float, up: Float) {
    let s = sigmoid(gate)
    let slope = s * (1 as Float).addingProduct(gate, 1 - s)
    return (gradient * up * slope, gradient * gate * s)
}
