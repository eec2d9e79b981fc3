import Kernels
import Numerics
import Testing

@Suite struct MatrixProductTests {
    /// Fixed normal numbers in memory that stays in place, unlike that of an array, while a product refers to it.
    private final class Numbers {
        let pointer: UnsafeMutablePointer<Float>
        let count: Int

        init(_ count: Int, _ name: String) {
            pointer = Arena.allocateAligned(count)
            self.count = count
            CounterRandom(seed: 1, name: name).fillNormal(.init(start: pointer, count: count))
        }

        deinit { Arena.deallocate(pointer) }

        subscript(index: Int) -> Float { pointer[index] }
    }

    struct Case: Sendable {
        let rows: Int, columns: Int, depth: Int
        let transposesA: Bool, transposesB: Bool
        let beta: Float

        static let all = [(1, 1, 1), (1, 40, 33), (3, 5, 7), (16, 16, 16), (65, 33, 129), (200, 300, 40), (530, 70, 9)]
            .flatMap { rows, columns, depth in
                [(false, false), (false, true), (true, false), (true, true)].flatMap { transposes in
                    [0, 1, -0.5].map {
                        Case(
                            rows: rows, columns: columns, depth: depth, transposesA: transposes.0,
                            transposesB: transposes.1, beta: $0)
                    }
                }
            }
    }

    /// All matrices have rows longer than what is used of them, and what lies between must stay as it is.
    @Test(arguments: Case.all)
    func agreesWithAPlainLoop(_ test: Case) {
        let (aRows, aColumns) = test.transposesA ? (test.depth, test.rows) : (test.rows, test.depth)
        let (bRows, bColumns) = test.transposesB ? (test.columns, test.depth) : (test.depth, test.columns)
        let (aStride, bStride, cStride) = (aColumns + 3, bColumns + 1, test.columns + 2)
        let (a, b) = (Numbers(aRows * aStride, "a"), Numbers(bRows * bStride, "b"))
        let (c, start) = (Numbers(test.rows * cStride, "c"), Numbers(test.rows * cStride, "c"))
        // With beta 0 nothing may be read.
        if test.beta == 0 { c.pointer.update(repeating: .nan, count: c.count) }
        let pool = ThreadPool(threadCount: 2)
        withExtendedLifetime((a, b)) {
            MatrixProduct(
                rows: test.rows, columns: test.columns, depth: test.depth,
                .init(a.pointer, stride: aStride, isTransposed: test.transposesA),
                .init(b.pointer, stride: bStride, isTransposed: test.transposesB), beta: test.beta, into: c.pointer,
                stride: cStride
            ).run(on: pool)
        }
        var worst = 0.0
        for row in 0..<test.rows {
            for column in 0..<test.columns {
                let sum = (0..<test.depth).reduce(0.0) { sum, k in
                    let left = test.transposesA ? a[k * aStride + row] : a[row * aStride + k]
                    let right = test.transposesB ? b[column * bStride + k] : b[k * bStride + column]
                    return sum + Double(left) * Double(right)
                }
                let before = test.beta == 0 ? 0 : Double(test.beta) * Double(start[row * cStride + column])
                worst = max(worst, abs(Double(c[row * cStride + column]) - sum - before))
            }
            for column in test.columns..<cStride {
                let index = row * cStride + column
                #expect(test.beta == 0 ? c[index].isNaN : c[index] == start[index])
            }
        }
        #expect(worst < 1e-5 * Double(test.depth).squareRoot() + 1e-5)
    }

    @Test func everyTileIsFinishedOnceWithItsSumsComplete() {
        let (rows, columns, depth) = (300, 520, 64)
        let (a, b) = (Numbers(rows * depth, "a"), Numbers(depth * columns, "b"))
        defer { withExtendedLifetime((a, b)) {} }
        func product(_ threads: Int, finishes: Bool) -> [Float] {
            let pool = ThreadPool(threadCount: threads)
            return [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
                let c = buffer.baseAddress!
                let product = MatrixProduct(
                    rows: rows, columns: columns, depth: depth, .init(a.pointer, stride: depth),
                    .init(b.pointer, stride: columns),
                    into: c)
                if finishes {
                    product.run(on: pool) { rowRange, columnRange, _ in
                        for row in rowRange {
                            for column in columnRange { c[row * columns + column] = 2 * c[row * columns + column] + 1 }
                        }
                    }
                } else {
                    product.run(on: pool)
                }
                count = rows * columns
            }
        }
        let plain = product(1, finishes: false)
        for threads in [1, 2, 4] {
            let isPlain = product(threads, finishes: false) == plain
            let isFinished = product(threads, finishes: true) == plain.map { 2 * $0 + 1 }
            #expect(isPlain && isFinished, "\(threads) threads")
        }
    }

    @Test func twoProductsInOneLoopAreThoseOfTwoLoops() {
        let size = 150
        let (a, b) = (Numbers(size * size, "a"), Numbers(size * size, "b"))
        defer { withExtendedLifetime((a, b)) {} }
        let left = BLAS.Factor(a.pointer, stride: size)
        let right = BLAS.Factor(b.pointer, stride: size, isTransposed: true)
        func products(_ body: (MatrixProduct, MatrixProduct) -> Void) -> [Float] {
            [Float](unsafeUninitializedCapacity: 2 * size * size) { buffer, count in
                let c = buffer.baseAddress!
                body(
                    MatrixProduct(rows: size, columns: size, depth: size, left, right, into: c),
                    MatrixProduct(rows: size, columns: size, depth: size, right, left, into: c + size * size))
                count = 2 * size * size
            }
        }
        let pool = ThreadPool(threadCount: 2)
        let together = products { MatrixProduct.run($0, $1, on: pool) }
        let oneByOne = products {
            $0.run(on: pool)
            $1.run(on: pool)
        }
        let isSame = together == oneByOne
        #expect(isSame)
    }

    @Test func emptyProducts() {
        let c = UnsafeMutablePointer<Float>.allocate(capacity: 2)
        defer { c.deallocate() }
        (c[0], c[1]) = (1, 2)
        let pool = ThreadPool(threadCount: 2)
        let zero = Numbers(1, "unread")
        defer { withExtendedLifetime(zero) {} }
        let factor = BLAS.Factor(zero.pointer, stride: 1)
        MatrixProduct(rows: 0, columns: 5, depth: 3, factor, factor, into: c).run(on: pool)
        MatrixProduct(rows: 5, columns: 0, depth: 3, factor, factor, into: c).run(on: pool)
        #expect(c[0] == 1 && c[1] == 2)
        MatrixProduct(rows: 2, columns: 1, depth: 0, factor, factor, into: c).run(on: pool)
        #expect(c[0] == 0 && c[1] == 0, "a sum of nothing")
    }
}

@Suite struct ProductTilesTests {
    private static let shapes = [
        (1, 1, 1), (1, 768, 768), (17, 5, 1000), (256, 768, 768), (256, 50_257, 768), (1024, 3072, 768),
        (4096, 1536, 384),
        (384, 384, 4096), (50_257, 768, 256), (4096, 12_288, 4096),
    ]

    @Test(arguments: shapes)
    func tilesCoverTheResultOnce(rows: Int, columns: Int, depth: Int) {
        let tiles = ProductTiles(rows: rows, columns: columns, depth: depth)
        var covered = 0
        for tile in 0..<tiles.count {
            let ranges = tiles.ranges(of: tile)
            #expect(!ranges.rows.isEmpty && !ranges.columns.isEmpty)
            #expect(ranges.rows.upperBound <= rows && ranges.columns.upperBound <= columns)
            #expect(ranges.rows.lowerBound % tiles.tileRows == 0 && ranges.columns.lowerBound % tiles.tileColumns == 0)
            covered += ranges.rows.count * ranges.columns.count
        }
        #expect(covered == rows * columns)
    }

    @Test func twoThreadsHaveEqualSharesOfLargeProducts() {
        for (rows, columns, depth) in Self.shapes where rows * columns * depth > 100_000_000 {
            let tiles = ProductTiles(rows: rows, columns: columns, depth: depth)
            let areas = (0..<tiles.count).map { tiles.ranges(of: $0).rows.count * tiles.ranges(of: $0).columns.count }
            #expect(areas.count >= 2)
            let largest = areas.max()!
            #expect((areas.count + 1) / 2 * largest <= rows * columns / 2 * 11 / 10)
        }
    }

    @Test func smallProductsAreOneTile() {
        #expect(ProductTiles(rows: 8, columns: 8, depth: 8).count == 1)
    }
}
