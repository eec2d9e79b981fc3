/// Root-mean-square normalisation of rows: y = x / √(mean(x²) + ε) · weight (Zhang & Sennrich 2019).
///
/// - Parameters:
///   - x: `[rows, columns]`.
///   - weight: `[columns]`.
///   - y: `[rows, columns]`, receives the result; must not overlap `x`.
///   - inverses: `[rows]`, receives 1 / √(mean(x²) + ε) for the backward pass.
public func rmsNormForward(
    _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, into y: UnsafeMutablePointer<Float>,
    inverses: UnsafeMutablePointer<Float>?, rows: Int, columns: Int
) {
    for row in 0..<rows {
        let input = x + row * columns
        let output = y + row * columns
        let inverse = 1 / (dotProduct(input, input, count: columns) / Float(columns) + epsilon).squareRoot()
        for column in 0..<columns { output[column] = input[column] * inverse * weight[column] }
        inverses?[row] = inverse
    }
}

/// The gradients of root-mean-square normalisation for some rows.
///
/// - Parameters:
///   - dy: the gradient of the result, `[rows, columns]`.
///   - x: the input of the forward pass.
///   - inverses: what the forward pass left.
///   - dx: `[rows, columns]`, receives the gradient of the input, or nil where none is wanted.
///   - accumulates: whether to add to `dx` instead of overwriting it.
///   - weightSums: `[columns]`, overwritten with these rows' contributions to the gradient of the weight.
public func rmsNormBackward(
    _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>,
    inverses: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>?, accumulates: Bool,
    weightSums: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    weightSums.update(repeating: 0, count: columns)
    for row in 0..<rows {
        let input = x + row * columns
        let gradient = dy + row * columns
        let inverse = inverses[row]
        for column in 0..<columns { weightSums[column] += gradient[column] * (input[column] * inverse) }
        guard let dx else { continue }
        let result = dx + row * columns
        // With g = dy·weight and n the normalised row: dx = (g - n·mean(g·n)) / rms.
        let product = sum(count: columns) {
            gradient.vector(at: $0) * weight.vector(at: $0) * input.vector(at: $0)
        } term: {
            gradient[$0] * weight[$0] * input[$0]
        }
        let slope = product / Float(columns) * inverse * inverse
        if accumulates {
            for column in 0..<columns {
                let projected = gradient[column] * weight[column] - input[column] * slope
                result[column] = result[column].addingProduct(projected, inverse)
            }
        } else {
            for column in 0..<columns {
                result[column] = (gradient[column] * weight[column] - input[column] * slope) * inverse
            }
        }
    }
}
