import Autograd
import Kernels
import Numerics
import Testing

@Suite("Causal attention")
struct CausalAttentionTests {
    /// An attention to compare with the naive one.
    struct Case: CustomTestStringConvertible {
        var shape: AttentionShape
        var isRotated = false
        var dropout: Float = 0
        /// Standard deviation of queries, keys and values: large ones make sharp softmaxes with large scores.
        var scale: Float = 1

        var testDescription: String {
            """
            batch \(shape.batch), sequence \(shape.sequence), heads \(shape.heads)/\(shape.keyValueHeads) of \
            \(shape.headSize)\(isRotated ? ", rotary" : "")\(dropout > 0 ? ", dropout" : ""), scale \(scale)
            """
        }

        func inputs() -> [Float] {
            GradientCheck.randomValues(
                shape.batch * shape.sequence * shape.inputColumns, scale: scale, seed: 5, name: "qkv")
        }

        var rotary: RotaryTable? {
            isRotated ? RotaryTable(headSize: shape.headSize, contextLength: shape.sequence, theta: 100) : nil
        }

        func attend(_ tape: Tape, _ qkv: Tensor, samples: UnsafeBufferPointer<UInt64>) -> Tensor {
            // A copy, because the rotation is in place and the checks use their inputs again.
            tape.causalAttention(
                isRotated ? tape.copy(qkv) : qkv, shape, rotary: rotary,
                dropout: dropout > 0
                    ? AttentionDropout(probability: dropout, seed: 3, site: 2, sampleIndices: samples) : nil)
        }
    }

    /// Odd lengths on both sides of the block sizes of 64 to 512.
    static let cases: [Case] = [
        Case(shape: AttentionShape(batch: 2, sequence: 1, heads: 2, headSize: 8)),
        Case(shape: AttentionShape(batch: 2, sequence: 7, heads: 3, headSize: 5)),
        Case(shape: AttentionShape(batch: 1, sequence: 65, heads: 2, headSize: 16), scale: 3),
        Case(shape: AttentionShape(batch: 2, sequence: 130, heads: 4, keyValueHeads: 2, headSize: 32), isRotated: true),
        Case(shape: AttentionShape(batch: 1, sequence: 130, heads: 3, keyValueHeads: 1, headSize: 10), isRotated: true),
        Case(shape: AttentionShape(batch: 1, sequence: 700, heads: 1, headSize: 64), scale: 2),
        Case(shape: AttentionShape(batch: 1, sequence: 300, heads: 2, keyValueHeads: 1, headSize: 8), dropout: 0.2),
        Case(shape: AttentionShape(batch: 2, sequence: 65, heads: 2, headSize: 8, firstHead: 3), dropout: 0.5),
        Case(
            shape: AttentionShape(batch: 2, sequence: 66, heads: 4, keyValueHeads: 2, headSize: 6), isRotated: true,
            dropout: 0.1),
    ]

    static let samples: [UInt64] = [12, 1 << 40]

    private func withSamples<Result>(
        _ batch: Int, _ body: (UnsafeBufferPointer<UInt64>) throws -> Result
    ) rethrows -> Result {
        try Self.samples.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[..<batch])) }
    }

    /// The factors of every weight, found by attending to values that are one key's indicator each.
    private func factors(_ attention: Case) -> [Double] {
        let shape = attention.shape
        let length = shape.sequence
        // All scores are 0: a query's weights are equal, and output channel k shows the factor of key k.
        let probe = AttentionShape(
            batch: shape.batch, sequence: length, heads: shape.heads, headSize: length, firstHead: shape.firstHead)
        var qkv = [Float](repeating: 0, count: shape.batch * length * probe.inputColumns)
        for row in 0..<shape.batch * length {
            for head in 0..<shape.heads {
                qkv[row * probe.inputColumns + 2 * probe.outputColumns + head * length + row % length] = 1
            }
        }
        let output = withSamples(shape.batch) { samples in
            TapeRun(threads: 1).output(of: [qkv], rows: [shape.batch * length]) { tape, tensors in
                Case(shape: probe, dropout: attention.dropout).attend(tape, tensors[0], samples: samples)
            }
        }
        return output.enumerated().map { index, value in
            Double(value) * Double(index / probe.outputColumns % length + 1)
        }
    }

    private func naive(_ attention: Case) -> NaiveAttention {
        var naive = NaiveAttention(shape: attention.shape, theta: attention.isRotated ? 100 : nil)
        if attention.dropout > 0 {
            let factors = factors(attention)
            let (length, heads) = (attention.shape.sequence, attention.shape.heads)
            naive.factor = { sequence, head, query, key in
                factors[((sequence * length + query) * heads + head) * length + key]
            }
        }
        return naive
    }

    @Test("outputs and gradients are those of plain loops in double precision", arguments: cases)
    func matchesNaive(attention: Case) {
        let shape = attention.shape
        let naive = naive(attention)
        let inputs = attention.inputs()
        let rows = shape.batch * shape.sequence
        let result = withSamples(shape.batch) { samples in
            TapeRun(threads: 2).run([inputs], rows: [rows]) { tape, tensors in
                attention.attend(tape, tensors[0], samples: samples)
            }
        }
        expectClose(result.output, naive.forward(inputs))
        let dOutput = Tape.projectionWeights(result.output.count, seed: 1)
        expectClose(result.gradients[0], naive.backward(inputs, dOutput))
    }

    /// Within 10⁻⁵ of the largest number.
    private func expectClose(
        _ found: [Float], _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let difference = zip(found, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
        let hasNaN = found.contains { $0.isNaN }
        #expect(found.count == expected.count && !hasNaN, sourceLocation: sourceLocation)
        #expect(difference <= 1e-5 * max(largest, 1), sourceLocation: sourceLocation)
    }

    @Test(
        "gradients by differences",
        arguments: [
            Case(shape: AttentionShape(batch: 2, sequence: 1, heads: 2, headSize: 3)),
            Case(shape: AttentionShape(batch: 2, sequence: 5, heads: 2, headSize: 4)),
            Case(
                shape: AttentionShape(batch: 1, sequence: 7, heads: 4, keyValueHeads: 2, headSize: 4), isRotated: true),
            Case(shape: AttentionShape(batch: 2, sequence: 6, heads: 2, keyValueHeads: 1, headSize: 2), dropout: 0.3),
        ])
    func differences(attention: Case) {
        withSamples(attention.shape.batch) { samples in
            GradientCheck.check([(attention.shape.batch * attention.shape.sequence, attention.shape.inputColumns)]) {
                tape, inputs in attention.attend(tape, inputs[0], samples: samples)
            }
        }
    }

    /// Few groups and many: both orders of the backward pass, which depend on the number of threads.
    @Test("the same bits for every thread count", arguments: cases)
    func threadCounts(attention: Case) {
        let inputs = attention.inputs()
        let rows = attention.shape.batch * attention.shape.sequence
        let results = [1, 2, 3, 4, 16].map { threads in
            withSamples(attention.shape.batch) { samples in
                TapeRun(threads: threads).run([inputs], rows: [rows]) { tape, tensors in
                    attention.attend(tape, tensors[0], samples: samples)
                }
            }
        }
        for other in results.dropFirst() {
            #expect(other.output == results[0].output)
            #expect(other.gradients == results[0].gradients)
        }
    }

    @Test("a query sees no later position")
    func isCausal() {
        let shape = AttentionShape(batch: 1, sequence: 200, heads: 1, headSize: 8)
        let attention = Case(shape: shape)
        var inputs = attention.inputs()
        func output() -> [Float] {
            withSamples(1) { samples in
                TapeRun(threads: 1).output(of: [inputs], rows: [200]) { attention.attend($0, $1[0], samples: samples) }
            }
        }
        let before = output()
        for index in 130 * shape.inputColumns..<inputs.count { inputs[index] = 1e6 }
        let after = output()
        #expect(before[..<(130 * 8)] == after[..<(130 * 8)])
        #expect(before[(130 * 8)...] != after[(130 * 8)...])
    }

    @Test("a NaN is not hidden")
    func keepsNaN() {
        let attention = Case(shape: AttentionShape(batch: 1, sequence: 40, heads: 1, headSize: 4))
        var inputs = attention.inputs()
        inputs[20 * attention.shape.inputColumns] = .nan
        let output = withSamples(1) { samples in
            TapeRun(threads: 1).output(of: [inputs], rows: [40]) { attention.attend($0, $1[0], samples: samples) }
        }
        #expect(output[20 * 4..<21 * 4].allSatisfy { $0.isNaN })
        #expect(output[..<(20 * 4)].allSatisfy { $0.isFinite })
    }

    @Test("dropout drops the stated share of weights")
    func dropoutStatistics() {
        let attention = Case(shape: AttentionShape(batch: 2, sequence: 150, heads: 3, headSize: 8), dropout: 0.25)
        let factors = factors(attention)
        let isVisible = factors.indices.map { $0 % 150 <= $0 / 450 % 150 }
        let visible = zip(factors, isVisible).filter { $1 }.map { $0.0 }
        let dropped = Double(visible.count { $0 == 0 })
        #expect(zip(factors, isVisible).allSatisfy { $1 || $0 == 0 })
        #expect(visible.allSatisfy { $0 == 0 || abs($0 - 1 / 0.75) < 1e-4 })
        // Four standard deviations of a share of 0.25.
        #expect(abs(dropped / Double(visible.count) - 0.25) < 4 * (0.25 * 0.75 / Double(visible.count)).squareRoot())
    }

    @Test("dropout of a sample depends neither on its batch nor on how heads are split, and differs between heads")
    func dropoutPurity() {
        let whole = Case(shape: AttentionShape(batch: 2, sequence: 90, heads: 4, headSize: 8), dropout: 0.3)
        let alone = Case(shape: AttentionShape(batch: 1, sequence: 90, heads: 4, headSize: 8), dropout: 0.3)
        let half = Case(
            shape: AttentionShape(batch: 1, sequence: 90, heads: 2, headSize: 8, firstHead: 2), dropout: 0.3)
        let wholeFactors = factors(whole)
        let aloneFactors = factors(alone)
        #expect(Array(wholeFactors[..<aloneFactors.count]) == aloneFactors)
        #expect(Array(wholeFactors[aloneFactors.count...]) != aloneFactors)
        let halfFactors = factors(half)
        for query in 0..<90 {
            let ofHeads = (0..<4).map { head in
                Array(aloneFactors[(query * 4 + head) * 90..<(query * 4 + head + 1) * 90])
            }
            #expect(Array(halfFactors[query * 180..<(query + 1) * 180]) == ofHeads[2] + ofHeads[3])
            if query > 40 { #expect(Set(ofHeads).count == 4) }
        }
    }
}
