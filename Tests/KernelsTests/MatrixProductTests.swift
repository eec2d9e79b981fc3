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
        let accumulates: Bool

        static let all = [
            (1, 1, 1), (1, 40, 33), (3, 5, 7), (16, 16, 16), (65, 33, 129), (200, 300, 40), (530, 70, 9),
            (20, 300, 500), (2, 1000, 800),
        ]
        .flatMap { rows, columns, depth in
            [(false, false), (false, true), (true, false), (true, true)].flatMap { transposes in
                [false, true].map {
                    Case(
                        rows: rows, columns: columns, depth: depth, transposesA: transposes.0,
                        transposesB: transposes.1, accumulates: $0)
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
        // What is overwritten must not be read.
        if !test.accumulates { c.pointer.update(repeating: .nan, count: c.count) }
        let pool = ThreadPool(threadCount: 2)
        withExtendedLifetime((a, b)) {
            MatrixProduct(
                rows: test.rows, columns: test.columns, depth: test.depth,
                .init(a.pointer, stride: aStride, isTransposed: test.transposesA),
                .init(b.pointer, stride: bStride, isTransposed: test.transposesB), accumulates: test.accumulates,
                into: c.pointer,
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
                let before = test.accumulates ? Double(start[row * cStride + column]) : 0
                worst = max(worst, abs(Double(c[row * cStride + column]) - sum - before))
            }
            for column in test.columns..<cStride {
                let index = row * cStride + column
                #expect(test.accumulates ? c[index] == start[index] : c[index].isNaN)
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

    /// The order of sums must depend on the depth alone: not on the vectors, nor on what part of a matrix is computed.
    @Test(arguments: [(50, 70, 1000), (13, 16, 385), (96, 100, 384), (30, 600, 900)])
    func sameBitsWithAllVectorsAndForAnyPart(rows: Int, columns: Int, depth: Int) {
        let (a, b) = (Numbers(rows * depth, "a"), Numbers(depth * columns, "b"))
        defer { withExtendedLifetime((a, b)) {} }
        let pool = ThreadPool(threadCount: 1)
        func product(_ vectors: VectorWidth, rows: Range<Int>, columns range: Range<Int>) -> [Float] {
            [Float](unsafeUninitializedCapacity: rows.count * range.count) { c, count in
                MatrixProduct(
                    rows: rows.count, columns: range.count, depth: depth,
                    MatrixFactor(a.pointer + rows.lowerBound * depth, stride: depth),
                    MatrixFactor(b.pointer + range.lowerBound, stride: columns), into: c.baseAddress!
                ).run(on: pool, with: vectors)
                count = rows.count * range.count
            }
        }
        // Few rows of many columns take the way of the transposed product.
        let row = product(.bits512, rows: 1..<2, columns: 0..<columns)
        let whole = product(.bits256, rows: 0..<rows, columns: 0..<columns)
        #expect(row == Array(whole[columns..<2 * columns]))
        let isSame = product(.bits512, rows: 0..<rows, columns: 0..<columns) == whole
        #expect(isSame)
        let part = product(.bits512, rows: 5..<9, columns: 3..<columns)
        let expected = (5..<9).flatMap { row in whole[row * columns + 3..<(row + 1) * columns] }
        #expect(part == expected)
    }

    @Test func emptyProducts() {
        let c = UnsafeMutablePointer<Float>.allocate(capacity: 2)
        defer { c.deallocate() }
        (c[0], c[1]) = (1, 2)
        let pool = ThreadPool(threadCount: 2)
        let zero = Numbers(1, "unread")
        defer { withExtendedLifetime(zero) {} }
        let factor = MatrixFactor(zero.pointer, stride: 1)
        MatrixProduct(rows: 0, columns: 5, depth: 3, factor, factor, into: c).run(on: pool)
        MatrixProduct(rows: 5, columns: 0, depth: 3, factor, factor, into: c).run(on: pool)
        #expect(c[0] == 1 && c[1] == 2)
        MatrixProduct(rows: 2, columns: 1, depth: 0, factor, factor, into: c).run(on: pool)
        #expect(c[0] == 0 && c[1] == 0, "a sum of nothing")
    }
}

@Suite struct ProductCutTests {
    private static let shapes = [
        (1, 1, 1), (1, 768, 768), (17, 5, 1000), (256, 768, 768), (256, 50_257, 768), (1024, 3072, 768),
        (4096, 1536, 384), (384, 384, 4096), (50_257, 768, 256), (80, 768, 50_257), (4096, 12_288, 4096), (3, 3, 0),
    ]

    @Test(arguments: shapes, [1, 2, 5])
    func tilesOfAllSlabsCoverTheProductOnce(shape: (rows: Int, columns: Int, depth: Int), threads: Int) {
        for (tileRows, tileColumns) in [(6, 16), (8, 48)] {
            let cut = ProductCut(
                rows: shape.rows, columns: shape.columns, depth: shape.depth, tileRows: tileRows,
                tileColumns: tileColumns)
            var covered = 0
            cut.forEachSlab { slab in
                let grid = cut.grid(for: slab, threads: threads)
                let depth = slab.depthBlocks.reduce(0) { $0 + cut.depthRange($1).count }
                for index in 0..<grid.count {
                    let (rows, panels) = cut.tile(index, of: grid, in: slab)
                    #expect(!rows.isEmpty && !panels.isEmpty && rows.count <= 96 + tileRows)
                    let columns = min(panels.upperBound * tileColumns, shape.columns) - panels.lowerBound * tileColumns
                    covered += rows.count * columns * max(depth, 1)
                }
            }
            #expect(covered == shape.rows * shape.columns * max(shape.depth, 1))
        }
    }

    @Test func blocksOfDepthDependOnTheDepthAlone() {
        for (rows, columns, depth) in Self.shapes {
            let cut = ProductCut(rows: rows, columns: columns, depth: depth, tileRows: 6, tileColumns: 16)
            let other = ProductCut(rows: 1, columns: 1, depth: depth, tileRows: 8, tileColumns: 48)
            #expect(cut.depthBlocks == other.depthBlocks)
            #expect((0..<cut.depthBlocks).allSatisfy { cut.depthRange($0) == other.depthRange($0) })
            #expect((0..<cut.depthBlocks).allSatisfy { cut.depthRange($0).count <= ProductCut.largestDepthBlock })
        }
    }

    @Test func smallProductsAreOneTile() {
        let cut = ProductCut(rows: 8, columns: 8, depth: 8, tileRows: 8, tileColumns: 48)
        cut.forEachSlab { #expect(cut.grid(for: $0, threads: 4).count == 1) }
    }
}
