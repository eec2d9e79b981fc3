import Autograd
import Testing

@Suite struct EmbeddingTests {
    /// Repeated ids, and ids that a shard of rows 2..<7 doesn't hold.
    private static let tokens: [Int32] = [4, 2, 4, 0, 6, 9, 4]

    @Test(arguments: [0, 2])
    func gradients(firstRow: Int) {
        Self.tokens.withUnsafeBufferPointer { tokens in
            GradientCheck.check([(rows: 5, columns: 6)]) { tape, inputs in
                tape.embedding(tokens, table: inputs[0], firstRow: firstRow)
            }
        }
    }

    @Test func rowsOfOtherRanksAreZero() {
        let table = (0..<5 * 3).map(Float.init)
        let found = Self.tokens.withUnsafeBufferPointer { tokens in
            withTape { tape, bind in
                let y = tape.embedding(tokens, table: bind(table, 5), firstRow: 2)
                return Array(UnsafeBufferPointer(start: tape.value(y), count: y.count))
            }
        }
        let expected = Self.tokens.flatMap { id -> [Float] in
            (2..<7).contains(id) ? Array(table[(Int(id) - 2) * 3..<(Int(id) - 1) * 3]) : [0, 0, 0]
        }
        #expect(found == expected)
    }

    /// Columns beyond one tile, and every thread count.
    @Test func everyThreadCountGivesTheSameBits() {
        let table = GradientCheck.randomValues(50 * 200, seed: 1, name: "table")
        let tokens = (0..<3000).map { Int32($0 * 7919 % 50) }
        func run(_ threads: Int) -> [Float] {
            tokens.withUnsafeBufferPointer { tokens in
                withTape(threads: threads) { tape, bind in
                    let table = bind(table, 50)
                    tape.startGradients()
                    _ = tape.project(tape.embedding(tokens, table: table), seed: 2)
                    tape.backward()
                    return Array(UnsafeBufferPointer(start: tape.gradient(table)!, count: table.count))
                }
            }
        }
        let alone = run(1)
        #expect(alone.allSatisfy { $0.isFinite })
        for threads in [2, 4] {
            let isSame = run(threads) == alone
            #expect(isSame, "\(threads) threads")
        }
    }
}
