import Kernels
import Testing

@Suite("Norm kernels")
struct NormTests {
    /// Reproducible numbers around `offset`, in double precision and as given to the kernels.
    private func numbers(_ count: Int, offset: Double = 0, step: Int) -> [Float] {
        (0..<count).map { index in
            let cycle = Double((index * step + 3) % 101)
            return Float(offset + cycle / 50 - 1)
        }
    }

    private func expectClose(
        _ found: some Collection<Float>, _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let difference: Double = zip(found, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
        #expect(found.count == expected.count && difference <= 2e-6, sourceLocation: sourceLocation)
    }

    /// The gradient of a normalised row n = (x - mean) · inverse for g: (g - mean(g) - n·mean(g·n)) · inverse, the
    /// first mean only where the row was centred.
    private func inputGradient(_ g: [Double], _ n: [Double], inverse: Double, isCentred: Bool) -> [Double] {
        let size = Double(g.count)
        let mean = isCentred ? g.reduce(0, +) / size : 0
        let product: Double = zip(g, n).reduce(0) { $0 + $1.0 * $1.1 } / size
        return zip(g, n).map { (g: Double, n: Double) -> Double in (g - mean - n * product) * inverse }
    }

    /// Widths that leave every kind of remainder of a vector register.
    @Test("layer normalisation matches double precision", arguments: [2, 15, 16, 33, 100, 768])
    func layerNorm(columns: Int) {
        let rows = 3
        let x = numbers(rows * columns, offset: 4, step: 37)
        let (weight, bias) = (numbers(columns, offset: 1, step: 17), numbers(columns, step: 29))
        let dy = numbers(rows * columns, step: 53)
        var y = [Float](repeating: .nan, count: x.count)
        var statistics = [Float](repeating: .nan, count: 2 * rows)
        layerNormForward(
            x, weight: weight, bias: bias, epsilon: 1e-5, into: &y, statistics: &statistics, rows: rows,
            columns: columns)
        var dx = [Float](repeating: .nan, count: x.count)
        var sums = [Float](repeating: .nan, count: 2 * columns)
        layerNormBackward(
            dy, x, weight: weight, statistics: statistics, into: &dx, accumulates: false, parameterSums: &sums,
            rows: rows, columns: columns)
        var added = [Float](repeating: 1, count: x.count)
        layerNormBackward(
            dy, x, weight: weight, statistics: statistics, into: &added, accumulates: true, parameterSums: &sums,
            rows: rows, columns: columns)

        var (weightSums, biasSums) = ([Double](repeating: 0, count: columns), [Double](repeating: 0, count: columns))
        for row in 0..<rows {
            let range = row * columns..<(row + 1) * columns
            let values = x[range].map(Double.init)
            let mean = values.reduce(0, +) / Double(columns)
            let squares: Double = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            let inverse = 1 / (squares / Double(columns) + 1e-5).squareRoot()
            let normalised = values.map { ($0 - mean) * inverse }
            let scaled: [Double] = zip(normalised, weight).map { $0 * Double($1) }
            expectClose(y[range], zip(scaled, bias).map { $0 + Double($1) })
            let gradient = dy[range].map(Double.init)
            let weighted: [Double] = zip(gradient, weight).map { $0 * Double($1) }
            let expected = inputGradient(weighted, normalised, inverse: inverse, isCentred: true)
            expectClose(dx[range], expected)
            expectClose(added[range], expected.map { $0 + 1 })
            for column in 0..<columns {
                weightSums[column] += gradient[column] * normalised[column]
                biasSums[column] += gradient[column]
            }
        }
        expectClose(sums, weightSums + biasSums)
    }

    @Test("root-mean-square normalisation matches double precision", arguments: [1, 15, 16, 33, 100, 768])
    func rmsNorm(columns: Int) {
        let rows = 3
        let x = numbers(rows * columns, offset: 1.5, step: 37)
        let weight = numbers(columns, offset: 1, step: 17)
        let dy = numbers(rows * columns, step: 53)
        var y = [Float](repeating: .nan, count: x.count)
        var inverses = [Float](repeating: .nan, count: rows)
        rmsNormForward(
            x, weight: weight, epsilon: 1e-5, into: &y, inverses: &inverses, rows: rows, columns: columns)
        var dx = [Float](repeating: .nan, count: x.count)
        var sums = [Float](repeating: .nan, count: columns)
        rmsNormBackward(
            dy, x, weight: weight, inverses: inverses, into: &dx, accumulates: false, weightSums: &sums, rows: rows,
            columns: columns)
        var added = [Float](repeating: 1, count: x.count)
        rmsNormBackward(
            dy, x, weight: weight, inverses: inverses, into: &added, accumulates: true, weightSums: &sums, rows: rows,
            columns: columns)

        var weightSums = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            let range = row * columns..<(row + 1) * columns
            let values = x[range].map(Double.init)
            let squares: Double = values.reduce(0) { $0 + $1 * $1 }
            let inverse = 1 / (squares / Double(columns) + 1e-5).squareRoot()
            let normalised = values.map { $0 * inverse }
            expectClose(y[range], zip(normalised, weight).map { $0 * Double($1) })
            let gradient = dy[range].map(Double.init)
            let weighted: [Double] = zip(gradient, weight).map { $0 * Double($1) }
            let expected = inputGradient(weighted, normalised, inverse: inverse, isCentred: false)
            expectClose(dx[range], expected)
            expectClose(added[range], expected.map { $0 + 1 })
            for column in 0..<columns { weightSums[column] += gradient[column] * normalised[column] }
        }
        expectClose(sums, weightSums)
    }
}
