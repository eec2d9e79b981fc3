import Kernels
import Testing

@Suite("Reductions over a row")
struct ReductionsTests {
    static let counts = [0, 1, 15, 16, 17, 31, 32, 48, 63, 1_000]

    @Test("scalar product", arguments: counts)
    func dotProducts(count: Int) {
        let a: [Float] = (0..<count).map { Float($0 % 7) - 3 }
        let b: [Float] = (0..<count).map { Float($0 % 5) - 1 }
        // Small integers: every order of additions is exact.
        let expected: Float = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(dotProduct(a, b, count: count) == expected)
    }

    @Test("the maximum, wherever it is", arguments: counts)
    func maxima(count: Int) {
        var x: [Float] = (0..<count).map { index in -2 - Float(index % 13) }
        #expect(maximum(x, count: count) == (x.max() ?? -.infinity))
        for index in x.indices {
            let value = x[index]
            x[index] = -1
            #expect(maximum(x, count: count) == -1)
            x[index] = value
        }
    }

    @Test("sums of rows, with a stride and onto what is there")
    func rowSums() {
        let matrix: [Float] = [1, 2, 0, 30, 40, 0, 500, 600, 0]
        var total: [Float] = [.nan, .nan]
        sumRows(matrix, rows: 3, stride: 3, into: &total, columns: 2, accumulates: false)
        #expect(total == [531, 642])
        sumRows(matrix, rows: 2, stride: 3, into: &total, columns: 2, accumulates: true)
        #expect(total == [562, 684])
        sumRows(matrix, rows: 0, stride: 3, into: &total, columns: 2, accumulates: false)
        #expect(total == [0, 0])
    }
}
