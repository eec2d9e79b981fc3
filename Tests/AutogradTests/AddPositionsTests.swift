import Autograd
import Testing

@Suite("Position embeddings")
struct AddPositionsTests {
    @Test("gradients, also of positions that are not used")
    func gradients() {
        GradientCheck.check([(6, 5), (7, 5)]) { tape, inputs in
            tape.addPositions(inputs[0], table: inputs[1], sequenceLength: 3, firstPosition: 2)
        }
    }

    @Test("adds each row's own position")
    func forward() {
        let x = (0..<8).map { Float($0) }
        let table = (0..<10).map { Float(100 * $0) }
        let output = TapeRun(threads: 2).output(of: [x, table], rows: [4, 5]) { tape, tensors in
            tape.addPositions(tensors[0], table: tensors[1], sequenceLength: 2, firstPosition: 1)
        }
        #expect(output == [200, 301, 402, 503, 204, 305, 406, 507])
    }
}
