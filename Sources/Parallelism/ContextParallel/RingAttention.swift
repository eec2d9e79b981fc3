import Autograd
import Collectives
import Kernels
import Models
import Numerics

/// Attention of sequences that are cut over ranks, each of which keeps its queries while keys and values go round (Liu
/// et al. 2023).
///
/// In step s a rank has the keys and values of the rank s places before it. What its queries find there is put together
/// with what they found before, by the logarithms of the softmaxes' denominators. The next keys and values travel while
/// it computes. Nothing of other ranks is kept: backwards keys and values go round once more, and their gradients with
/// them, one step behind.
public final class RingAttention: AttentionExecution {
    private let communicator: any Communicator

    /// - Parameter communicator: The ranks that have the parts of the same sequences, in order.
    public init(_ communicator: any Communicator) { self.communicator = communicator }

    public func attend(
        _ qkv: Tensor, _ shape: AttentionShape, positions: TokenPositions, rotary: RotaryTable?,
        dropout: AttentionDropout?, on tape: Tape
    ) -> Tensor {
        shape.check(qkv, operation: "ring attention")
        let mark = tape.mark()
        let y = tape.makeTensor(rows: shape.tokens, columns: shape.outputColumns)
        if let rotary { tape.rotate(tape.value(qkv), shape, by: rotary, positions) }
        func makeOperator(_ logSumExp: UnsafeMutablePointer<Float>) -> RingAttentionOperator {
            RingAttentionOperator(
                qkv: qkv, y: y, shape: shape, positions: positions, rotary: rotary, dropout: dropout,
                logSumExp: logSumExp, ring: KeyValueRing(communicator: communicator, shape: shape))
        }
        let statistics = shape.tokens * shape.heads
        guard tape.isRecording else {
            tape.withScratch(statistics) { makeOperator($0).forward(on: tape) }
            return y
        }
        let attention = makeOperator(tape.allocateSaved(statistics))
        attention.forward(on: tape)
        tape.record(attention, since: mark)
        return y
    }
}

struct RingAttentionOperator: Operator {
    let qkv: Tensor
    let y: Tensor
    let shape: AttentionShape
    let positions: TokenPositions
    let rotary: RotaryTable?
    let dropout: AttentionDropout?
    /// `[batch, heads, sequence]`: the logarithm of each softmax's denominator, over all ranks' keys.
    let logSumExp: UnsafeMutablePointer<Float>
    let ring: KeyValueRing

    static let name: StaticString = "ring attention"

    /// As of causal attention, for this rank's queries.
    func cost(on tape: Tape) -> OperatorCost {
        func seen(by chunk: Range<Int>) -> Int { chunk.count * (chunk.lowerBound + chunk.upperBound + 1) / 2 }
        let pairs = shape.batch * shape.heads * (seen(by: positions.chunks.first) + seen(by: positions.chunks.second))
        let product = Trace.Work(operations: 2 * Double(pairs) * Double(shape.headSize))
        return OperatorCost(
            forward: product + product + .moving(qkv.count + y.count),
            backward: product + product + product + product + product + .moving(2 * qkv.count + 2 * y.count),
            shape: .init(rows: qkv.rows, inputs: qkv.columns, outputs: y.columns))
    }

    func forward(on tape: Tape) {
        let (input, output) = (tape.value(qkv), tape.value(y))
        ring.goRound(startingWith: input, on: tape) { owner, keyValues in
            forEachPair(with: owner) { queries, keys, isFirst in
                tape.attend(
                    inputs(input, queries, keyValues, keys), into: output + queries.row * shape.outputColumns,
                    logSumExp: logSumExp + queries.row, merges: !isFirst, betweenTiles: { ring.makeProgress() })
            }
        }
    }

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(qkv) else { return }
        tape.withScratch(shape.tokens * shape.heads) { products in
            tape.attentionProducts(dy, tape.value(y), shape, into: products)
            guard sink.accumulates else {
                writeGradient(dy, products: products, into: sink.pointer, on: tape)
                return
            }
            tape.withScratch(qkv.count) { gradient in
                writeGradient(dy, products: products, into: gradient, on: tape)
                tape.pool.forEachRange(qkv.count, tileSize: 1 << 15) { range, _ in
                    for index in range { sink.pointer[index] += gradient[index] }
                }
            }
        }
    }

    private func writeGradient(
        _ dy: UnsafePointer<Float>, products: UnsafePointer<Float>, into gradient: UnsafeMutablePointer<Float>,
        on tape: Tape
    ) {
        let input = tape.value(qkv)
        // Queries gather contributions from every step.
        tape.pool.forEachRange(qkv.count, tileSize: 1 << 15) { range, _ in
            (gradient + range.lowerBound).update(repeating: 0, count: range.count)
        }
        ring.goRoundWithGradients(startingWith: input, endingIn: gradient, on: tape) { owner, keyValues, keyGradients in
            forEachPair(with: owner) { queries, keys, _ in
                let offset = keys.row * ring.columns
                AttentionBackwardBlocks(
                    inputs(input, queries, keyValues, keys), dy: dy + queries.row * shape.outputColumns,
                    logSumExp: logSumExp + queries.row, products: products + queries.row,
                    into: .init(
                        queries: gradient + queries.row * shape.inputColumns, keys: keyGradients + offset,
                        values: keyGradients + offset + shape.keyValueColumns, accumulates: true)
                ).run(on: tape, betweenTiles: { ring.makeProgress() })
            }
        }
        if let rotary { tape.rotate(gradient, shape, by: rotary, positions, inverse: true) }
    }

    /// One of the chunks that a rank has of every sequence.
    private struct Chunk {
        /// The first row of it among the rank's rows of a sequence.
        var row: Int
        var positions: Range<Int>
    }

    /// Calls `body` for each chunk of this rank's queries and of a rank's keys that they see.
    private func forEachPair(
        with owner: Int, _ body: (_ queries: Chunk, _ keys: Chunk, _ isFirst: Bool) -> Void
    ) {
        let theirs = TokenPositions.part(
            owner, of: ring.size, sequenceLength: positions.sequenceLength * ring.size)
        forEachChunk(of: positions) { queries in
            forEachChunk(of: theirs) { keys in
                guard keys.positions.lowerBound <= queries.positions.lowerBound else { return }
                // The ring begins with the rank's own keys, and their first chunk is seen by all.
                body(queries, keys, owner == ring.rank && keys.row == 0)
            }
        }
    }

    private func forEachChunk(of positions: TokenPositions, _ body: (Chunk) -> Void) {
        let (first, second) = positions.chunks
        body(Chunk(row: 0, positions: first))
        body(Chunk(row: first.count, positions: second))
    }

    private func inputs(
        _ qkv: UnsafePointer<Float>, _ queries: Chunk, _ keyValues: UnsafePointer<Float>, _ keys: Chunk
    ) -> AttentionInputs {
        AttentionInputs(
            qkv: qkv + queries.row * shape.inputColumns, queryRows: shape.sequence, queryPositions: queries.positions,
            keyValues: keyValues + keys.row * ring.columns, keyRows: shape.sequence, keyPositions: keys.positions,
            shape: shape, dropout: dropout)
    }
}
