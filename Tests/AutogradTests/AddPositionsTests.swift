import Autograd
import Testing

@Suite("Position embeddings")
struct AddPositionsTests {
    @Test("gradients, also of positions that are not used")
    func gradients() {
        GradientCheck.check([(6, 5), (7, 5)]) { tape, inputs in
            tape.addPositions(
                inputs[0], table: inputs[1], positions: TokenPositions(sequenceLength: 3, firstPosition: 2))
        }
    }

    @Test("gradients of two chunks, from the middle of a sequence on", arguments: [0, 1, 3, 5])
    func gradientsOfParts(first: Int) {
        let positions = TokenPositions(1..<3, 5..<7).dropping(rows: first)
        GradientCheck.check([(6, 5), (8, 5)]) { tape, inputs in
            tape.addPositions(inputs[0], table: inputs[1], positions: positions)
        }
    }

    @Test("adds each row's own position")
    func forward() {
        let x = (0..<8).map { Float($0) }
        let table = (0..<10).map { Float(100 * $0) }
        let output = TapeRun(threads: 2).output(of: [x, table], rows: [4, 5]) { tape, tensors in
            tape.addPositions(
                tensors[0], table: tensors[1], positions: TokenPositions(sequenceLength: 2, firstPosition: 1))
        }
        #expect(output == [200, 301, 402, 503, 204, 305, 406, 507])
    }
}
