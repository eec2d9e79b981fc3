import Autograd
import Collectives
import Kernels
import Models

/// Attention of sequences that are cut over ranks, which exchange tokens for heads: each attends for all tokens with some
/// of the heads, and gets its own tokens' results of all heads back (Jacobs et al. 2023, "DeepSpeed Ulysses").
public final class HeadExchangeAttention: AttentionExecution {
    private let communicator: any Communicator

    /// - Parameter communicator: The ranks that have the parts of the same sequences, in order; their number divides the
    ///   heads and the key/value heads.
    public init(_ communicator: any Communicator) { self.communicator = communicator }

    public func attend(
        _ qkv: Tensor, _ shape: AttentionShape, positions: TokenPositions, rotary: RotaryTable?,
        dropout: AttentionDropout?, on tape: Tape
    ) -> Tensor {
        shape.check(qkv, operation: "head exchange attention")
        let size = communicator.size
        precondition(
            shape.heads % size == 0 && shape.keyValueHeads % size == 0,
            "\(shape.heads) heads with \(shape.keyValueHeads) key/value heads cannot be shared out to \(size) ranks")
        var part = shape
        part.sequence *= size
        part.heads /= size
        part.keyValueHeads /= size
        part.firstHead += communicator.rank * part.heads

        let gathered = tape.exchange(
            qkv, HeadExchange(communicator: communicator, shape: part, hasKeyValues: true), toHeads: true)
        // The backward pass does not ask for what was projected, only for what became of it.
        tape.discard(qkv)
        let y = tape.causalAttention(gathered, part, rotary: rotary, dropout: dropout)
        return tape.exchange(
            y, HeadExchange(communicator: communicator, shape: part, hasKeyValues: false), toHeads: false)
    }
}

extension Tape {
    fileprivate func exchange(_ x: Tensor, _ exchange: HeadExchange, toHeads: Bool) -> Tensor {
        let mark = mark()
        let y = makeTensor(
            rows: toHeads ? exchange.shape.tokens : exchange.localRows,
            columns: toHeads ? exchange.headColumns : exchange.localColumns)
        exchange.run(toHeads: toHeads, from: value(x), into: value(y), on: self)
        record(HeadExchangeOperator(x: x, y: y, exchange: exchange, toHeads: toHeads), since: mark)
        return y
    }
}

private struct HeadExchangeOperator: Operator {
    let x: Tensor
    let y: Tensor
    let exchange: HeadExchange
    let toHeads: Bool

    static let name: StaticString = "exchange of heads"

    func backward(on tape: Tape) {
        guard let gradient = tape.gradient(y), let sink = tape.gradientSink(x) else { return }
        precondition(!sink.accumulates, "what is exchanged is used nowhere else")
        exchange.run(toHeads: !toHeads, from: gradient, into: sink.pointer, on: tape)
    }
}

/// The way between two cuts of the same numbers: some tokens with all heads, and all tokens with some heads.
private struct HeadExchange {
    let communicator: any Communicator
    /// All tokens, some heads.
    let shape: AttentionShape
    /// Whether rows are queries | keys | values or outputs alone.
    let hasKeyValues: Bool

    private static let tileRows = 64

    private var size: Int { communicator.size }
    private var localLength: Int { shape.sequence / size }
    var localRows: Int { shape.tokens / size }
    /// Of a row with some heads.
    var headColumns: Int { hasKeyValues ? shape.inputColumns : shape.outputColumns }
    /// Of a row with all heads.
    var localColumns: Int { headColumns * size }

    func run(
        toHeads: Bool, from source: UnsafePointer<Float>, into destination: UnsafeMutablePointer<Float>, on tape: Tape
    ) {
        let count = shape.tokens * headColumns
        tape.withScratch(2 * count) { memory in
            let (outgoing, incoming) = (memory, memory + count)
            forEachRow(on: tape) { part, row, headRow in
                let message = outgoing + (part * localRows + row) * headColumns
                if toHeads {
                    copyHeads(ofPart: part) { local, heads, columns in
                        (message + heads).update(from: source + row * localColumns + local, count: columns)
                    }
                } else {
                    message.update(from: source + headRow * headColumns, count: headColumns)
                }
            }
            communicator.allToAll(
                UnsafeBufferPointer(start: outgoing, count: count),
                into: UnsafeMutableBufferPointer(start: incoming, count: count),
                label: toHeads ? "tokens for heads" : "heads for tokens")
            forEachRow(on: tape) { part, row, headRow in
                let message = incoming + (part * localRows + row) * headColumns
                if toHeads {
                    (destination + headRow * headColumns).update(from: message, count: headColumns)
                } else {
                    copyHeads(ofPart: part) { local, heads, columns in
                        (destination + row * localColumns + local).update(from: message + heads, count: columns)
                    }
                }
            }
        }
    }

    /// Calls `body` for each row of each rank, numbered among that rank's tokens and among all tokens.
    private func forEachRow(on tape: Tape, _ body: (_ part: Int, _ row: Int, _ headRow: Int) -> Void) {
        tape.pool.forEachRange(size * localRows, tileSize: Self.tileRows) { rows, _ in
            for index in rows {
                let (part, row) = index.quotientAndRemainder(dividingBy: localRows)
                let position = TokenPositions.part(part, of: size, sequenceLength: shape.sequence)
                    .position(ofRow: row)
                body(part, row, row / localLength * shape.sequence + position)
            }
        }
    }

    /// Calls `body` with where columns of a part's heads are in a row of all heads and in one of the part's.
    private func copyHeads(ofPart part: Int, _ body: (_ local: Int, _ heads: Int, _ columns: Int) -> Void) {
        let (queries, keys) = (shape.outputColumns, shape.keyValueColumns)
        body(part * queries, 0, queries)
        guard hasKeyValues else { return }
        body(size * queries + part * keys, queries, keys)
        body(size * (queries + keys) + part * keys, queries + keys, keys)
    }
}
