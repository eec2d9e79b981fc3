import Autograd
import Testing

@Suite("Dropout operator")
struct DropoutOperatorTests {
    /// A dropout over sequences with these global numbers, which must outlive the tape.
    private func withDropout<Result>(
        _ samples: [UInt64], sequence: Int, probability: Float = 0.3, site: UInt32 = 4,
        _ body: (Dropout) -> Result
    ) -> Result {
        samples.withUnsafeBufferPointer {
            body(
                Dropout(
                    probability: probability, seed: 11, site: site, sampleIndices: $0, sequenceLength: sequence))
        }
    }

    private func mask(
        _ samples: [UInt64], sequence: Int, columns: Int, probability: Float = 0.3, site: UInt32 = 4, threads: Int = 1
    ) -> [Float] {
        let rows = samples.count * sequence
        return withDropout(samples, sequence: sequence, probability: probability, site: site) { dropout in
            TapeRun(threads: threads).output(of: [[Float](repeating: 1, count: rows * columns)], rows: [rows]) {
                tape, tensors in tape.dropout(tensors[0], dropout)
            }
        }
    }

    @Test("gradients")
    func gradients() {
        withDropout([5, 9], sequence: 3) { dropout in
            GradientCheck.check([(6, 21)]) { tape, inputs in tape.dropout(inputs[0], dropout) }
        }
    }

    @Test("a part's mask is that of its rows in the whole")
    func partsOfSequences() {
        let (columns, length) = (40, 8)
        let whole = mask([7, 3], sequence: length, columns: columns)
        let positions = TokenPositions(2..<4, 6..<8).dropping(rows: 3)
        let part = ([7, 3] as [UInt64]).withUnsafeBufferPointer { samples in
            TapeRun(threads: 2).output(of: [[Float](repeating: 1, count: 5 * columns)], rows: [5]) { tape, tensors in
                tape.dropout(
                    tensors[0],
                    Dropout(probability: 0.3, seed: 11, site: 4, sampleIndices: samples, positions: positions))
            }
        }
        for row in 0..<5 {
            let wholeRow = positions.sequence(ofRow: row) * length + positions.position(ofRow: row)
            #expect(
                part[row * columns..<(row + 1) * columns]
                    .elementsEqual(whole[wholeRow * columns..<(wholeRow + 1) * columns]), "row \(row)")
        }
    }

    @Test("drops the stated share and keeps the mean")
    func statistics() {
        let mask = mask([0, 1, 2, 3], sequence: 50, columns: 500)
        let dropped = Double(mask.count { $0 == 0 }) / Double(mask.count)
        // Four standard deviations of a share of 0.3 among 100,000.
        #expect(abs(dropped - 0.3) < 4 * (0.3 * 0.7 / 100_000).squareRoot())
        #expect(Set(mask).count == 2)
        #expect(abs(mask.reduce(0) { $0 + Double($1) } / Double(mask.count) - 1) < 0.01)
    }

    @Test("a sample's mask does not depend on its batch, nor on threads, but on its site")
    func purity() {
        let whole = mask([7, 3, 12], sequence: 4, columns: 300)
        let alone = mask([3], sequence: 4, columns: 300)
        #expect(Array(whole[1_200..<2_400]) == alone)
        #expect(mask([7, 3, 12], sequence: 4, columns: 300, threads: 4) == whole)
        #expect(mask([7, 3, 12], sequence: 4, columns: 300, site: 5) != whole)
        #expect(mask([3], sequence: 4, columns: 300, probability: 0) == [Float](repeating: 1, count: 1_200))
        #expect(mask([3], sequence: 4, columns: 300, probability: 1) == [Float](repeating: 0, count: 1_200))
    }
}
