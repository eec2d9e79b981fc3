import Autograd
import Testing

@Suite("Norm operators")
struct NormTests {
    @Test("layerNorm's gradients", arguments: [2, 3, 16, 37, 70])
    func layerNorm(columns: Int) {
        GradientCheck.check([(5, columns), (1, columns), (1, columns)]) { tape, inputs in
            tape.layerNorm(inputs[0], weight: inputs[1], bias: inputs[2], epsilon: 0.1)
        }
    }

    @Test("rmsNorm's gradients", arguments: [1, 3, 16, 37, 70])
    func rmsNorm(columns: Int) {
        GradientCheck.check([(5, columns), (1, columns)]) { tape, inputs in
            tape.rmsNorm(inputs[0], weight: inputs[1], epsilon: 0.1)
        }
    }

    /// More rows than one tile, so that the sums over rows come in parts; differences would take minutes here.
    @Test("sums over many tiles of rows are the same bits for every thread count")
    func manyTiles() {
        let (rows, columns) = (1_000, 96)
        let inputs = ["x", "weight", "bias"].map { name in
            GradientCheck.randomValues(name == "x" ? rows * columns : columns, seed: 3, name: name)
        }
        let results = [1, 2, 4].map { threads in
            TapeRun(threads: threads).run(inputs, rows: [rows, 1, 1]) { tape, tensors in
                let normalised = tape.layerNorm(tensors[0], weight: tensors[1], bias: tensors[2], epsilon: 1e-5)
                return tape.rmsNorm(normalised, weight: tensors[1], epsilon: 1e-5)
            }.gradients
        }
        #expect(results[0].allSatisfy { $0.allSatisfy { $0.isFinite } })
        #expect(results[1] == results[0])
        #expect(results[2] == results[0])
    }
}
