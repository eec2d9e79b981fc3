import Autograd
import Kernels
import Testing

@Suite("Attention against a cache")
struct CachedAttentionTests {
    static let shapes = [
        AttentionShape(batch: 1, sequence: 75, heads: 2, headSize: 16),
        AttentionShape(batch: 3, sequence: 70, heads: 4, keyValueHeads: 2, headSize: 8),
        AttentionShape(batch: 2, sequence: 9, heads: 3, keyValueHeads: 1, headSize: 6),
    ]

    @Test("equals attention over the whole sequences, token by token and in chunks", arguments: shapes, [1, 4, 66])
    func equalsCausalAttention(shape: AttentionShape, chunk: Int) {
        let rotary = RotaryTable(headSize: shape.headSize, contextLength: 100, theta: 10_000)
        let rows = shape.batch * shape.sequence
        let inputs = GradientCheck.randomValues(rows * shape.inputColumns, seed: 8, name: "qkv")
        let whole = TapeRun(threads: 2).output(of: [inputs], rows: [rows]) { tape, tensors in
            tape.causalAttention(tensors[0], shape, rotary: rotary)
        }
        let cache = KeyValueCacheLayer(
            batch: shape.batch, contextLength: 100, keyValueHeads: shape.keyValueHeads, headSize: shape.headSize)
        for first in stride(from: 0, to: shape.sequence, by: chunk) {
            let positions = first..<min(first + chunk, shape.sequence)
            var part = shape
            part.sequence = positions.count
            let output = TapeRun(threads: 2).output(
                of: [slice(inputs, shape, positions, columns: shape.inputColumns)], rows: [shape.batch * part.sequence]
            ) { tape, tensors in tape.cachedAttention(tensors[0], part, cache: cache, rotary: rotary) }
            let expected = slice(whole, shape, positions, columns: shape.outputColumns)
            let difference = zip(output, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(output.count == expected.count && difference <= 1e-5)
        }
        #expect(cache.length == shape.sequence)
    }

    /// The rows of some positions of every sequence.
    private func slice(
        _ matrix: [Float], _ shape: AttentionShape, _ positions: Range<Int>, columns: Int
    ) -> [Float] {
        (0..<shape.batch).flatMap { sequence in
            let first = sequence * shape.sequence
            return matrix[(first + positions.lowerBound) * columns..<(first + positions.upperBound) * columns]
        }
    }

    @Test("forgets positions when its length is lowered")
    func truncation() {
        let shape = AttentionShape(batch: 1, sequence: 6, heads: 1, headSize: 4)
        let inputs = GradientCheck.randomValues(6 * shape.inputColumns, seed: 8, name: "qkv")
        let cache = KeyValueCacheLayer(batch: 1, contextLength: 8, keyValueHeads: 1, headSize: 4)
        func run() -> [Float] {
            TapeRun(threads: 1).output(of: [inputs], rows: [6]) { $0.cachedAttention($1[0], shape, cache: cache) }
        }
        let first = run()
        cache.length = 0
        #expect(run() == first)
        cache.length = 1
        #expect(run() != first)
        #expect(cache.length == 7)
    }
}
