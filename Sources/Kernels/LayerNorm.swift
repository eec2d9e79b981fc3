/// Layer normalisation of rows: y = (x - mean) / √(variance + ε) · weight + bias (Ba, Kiros & Hinton 2016).
///
/// - Parameters:
///   - x: `[rows, columns]`.
///   - weight: `[columns]`.
///   - bias: `[columns]`.
///   - y: `[rows, columns]`, receives the result; must not overlap `x`.
///   - statistics: `[rows, 2]`, receives each row's mean and 1 / √(variance + ε) for the backward pass.
public func layerNormForward(
    _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
    into y: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>?, rows: Int, columns: Int
) {
    for row in 0..<rows {
        let input = x + row * columns
        let output = y + row * columns
        let mean = sum(count: columns, vectorTerm: { input.vector(at: $0) }, term: { input[$0] }) / Float(columns)
        let squares = sum(count: columns) {
            let deviation = input.vector(at: $0) - mean
            return deviation * deviation
        } term: {
            (input[$0] - mean) * (input[$0] - mean)
        }
        let inverse = 1 / (squares / Float(columns) + epsilon).squareRoot()
        for column in 0..<columns {
            output[column] = bias[column].addingProduct((input[column] - mean) * inverse, weight[column])
        }
        statistics?[2 * row] = mean
        statistics?[2 * row + 1] = inverse
    }
}

/// The gradients of layer normalisation for some rows.
///
/// - Parameters:
///   - dy: the gradient of the result, `[rows, columns]`.
///   - x: the input of the forward pass.
///   - statistics: what the forward pass left.
///   - dx: `[rows, columns]`, receives the gradient of the input, or nil where none is wanted.
///   - accumulates: whether to add to `dx` instead of overwriting it.
///   - parameterSums: `[2, columns]`, overwritten with these rows' contributions to the gradients of weight and bias.
public func layerNormBackward(
    _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>,
    statistics: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>?, accumulates: Bool,
    parameterSums: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
    let weightSums = parameterSums
    let biasSums = parameterSums + columns
    parameterSums.update(repeating: 0, count: 2 * columns)
    for row in 0..<rows {
        let input = x + row * columns
        let gradient = dy + row * columns
        let (mean, inverse) = (statistics[2 * row], statistics[2 * row + 1])
        for column in 0..<columns {
            weightSums[column] += gradient[column] * ((input[column] - mean) * inverse)
            biasSums[column] += gradient[column]
        }
        guard let dx else { continue }
        let result = dx + row * columns
        // With g = dy·weight and n the normalised row: dx = (g - mean(g) - n·mean(g·n)) / deviation.
        let meanGradient = dotProduct(gradient, weight, count: columns) / Float(columns)
        let meanProduct =
            sum(count: columns) {
                gradient.vector(at: $0) * weight.vector(at: $0) * (input.vector(at: $0) - mean)
            } term: {
                gradient[$0] * weight[$0] * (input[$0] - mean)
            } * inverse / Float(columns)
        let slope = meanProduct * inverse
        if accumulates {
            for column in 0..<columns {
                let centred = gradient[column] * weight[column] - meanGradient - (input[column] - mean) * slope
                result[column] = result[column].addingProduct(centred, inverse)
            }
        } else {
            for column in 0..<columns {
                let centred = gradient[column] * weight[column] - meanGradient - (input[column] - mean) * slope
                result[column] = centred * inverse
            }
        }
    }
}
