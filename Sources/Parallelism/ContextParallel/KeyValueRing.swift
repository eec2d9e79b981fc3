import Autograd
import Collectives

/// Passes the keys and values of every rank by all others, from each rank to the next.
struct KeyValueRing {
    let communicator: any Communicator
    /// Of what a rank has.
    let shape: AttentionShape

    private static let keyValueTag = 1
    private static let gradientTag = 2
    private static let keyValueLabel = "keys and values"
    private static let gradientLabel = "gradients of keys and values"

    var rank: Int { communicator.rank }
    var size: Int { communicator.size }
    /// Of a row of keys | values.
    var columns: Int { 2 * shape.keyValueColumns }

    private var count: Int { shape.tokens * columns }
    private var next: Int { (rank + 1) % size }
    private var previous: Int { (rank + size - 1) % size }

    /// For between pieces of work.
    func makeProgress() { communicator.makeProgress() }

    /// Calls `body` with the keys and values, `[batch·sequence, columns]`, of each rank: first those of this one, then of
    /// those before it. The next ones travel meanwhile.
    ///
    /// - Parameter qkv: This rank's, `[batch·sequence, …]`, rows of queries | keys | values.
    func goRound(
        startingWith qkv: UnsafePointer<Float>, on tape: Tape,
        _ body: (_ owner: Int, _ keyValues: UnsafePointer<Float>) -> Void
    ) {
        tape.withScratch(2 * count) { memory in
            var (current, coming) = (memory, memory + count)
            copyKeyValues(of: qkv, into: current, on: tape)
            for step in 0..<size {
                let passing = step < size - 1 ? startPassing(current, receivingInto: coming) : nil
                body((rank + size - step) % size, current)
                if let passing { finish(passing) }
                swap(&current, &coming)
            }
        }
    }

    /// The same, with memory for the gradients of the keys and values, zero at first, that `body` adds its contributions
    /// to. They follow their keys and values from rank to rank, one step behind.
    ///
    /// - Parameter gradient: Receives in its columns of keys and values the sum of all ranks' contributions to those of
    ///   `qkv`.
    func goRoundWithGradients(
        startingWith qkv: UnsafePointer<Float>, endingIn gradient: UnsafeMutablePointer<Float>, on tape: Tape,
        _ body: (_ owner: Int, _ keyValues: UnsafePointer<Float>, _ gradients: UnsafeMutablePointer<Float>) -> Void
    ) {
        tape.withScratch(5 * count) { memory in
            var (current, coming) = (memory, memory + count)
            // What others found for the current keys and values arrives while this rank computes its own contribution.
            let arriving = memory + 2 * count
            var (mine, leaving) = (memory + 3 * count, memory + 4 * count)
            var sending: Transfer?
            copyKeyValues(of: qkv, into: current, on: tape)
            for step in 0..<size {
                let passing = step < size - 1 ? startPassing(current, receivingInto: coming) : nil
                let receiving = step > 0 ? startReceiving(arriving) : nil
                fillWithZeros(mine, on: tape)
                body((rank + size - step) % size, current, mine)
                if let receiving {
                    communicator.finish(receiving, label: Self.gradientLabel)
                    add(arriving, to: mine, on: tape)
                }
                if let sending { communicator.finish(sending, label: Self.gradientLabel) }
                sending = communicator.startSend(
                    bytes(of: mine), to: next, tag: Self.gradientTag, label: Self.gradientLabel)
                swap(&mine, &leaving)
                if let passing { finish(passing) }
                swap(&current, &coming)
            }
            communicator.finish(startReceiving(arriving), label: Self.gradientLabel)
            if let sending { communicator.finish(sending, label: Self.gradientLabel) }
            writeKeyValues(arriving, into: gradient, on: tape)
        }
    }

    // MARK: Messages

    private typealias Passing = (sending: Transfer, receiving: Transfer)

    private func startPassing(
        _ current: UnsafeMutablePointer<Float>, receivingInto coming: UnsafeMutablePointer<Float>
    ) -> Passing {
        let receiving = communicator.startReceive(
            UnsafeMutableRawBufferPointer(mutating: bytes(of: coming)), from: previous, tag: Self.keyValueTag,
            label: Self.keyValueLabel)
        let sending = communicator.startSend(
            bytes(of: current), to: next, tag: Self.keyValueTag, label: Self.keyValueLabel)
        return (sending, receiving)
    }

    private func finish(_ passing: Passing) {
        communicator.finish(passing.receiving, label: Self.keyValueLabel)
        communicator.finish(passing.sending, label: Self.keyValueLabel)
    }

    private func startReceiving(_ arriving: UnsafeMutablePointer<Float>) -> Transfer {
        communicator.startReceive(
            UnsafeMutableRawBufferPointer(mutating: bytes(of: arriving)), from: previous, tag: Self.gradientTag,
            label: Self.gradientLabel)
    }

    private func bytes(of memory: UnsafePointer<Float>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: memory, count: count * MemoryLayout<Float>.stride)
    }

    // MARK: Memory

    private static let tileRows = 64

    private func copyKeyValues(
        of qkv: UnsafePointer<Float>, into keyValues: UnsafeMutablePointer<Float>, on tape: Tape
    ) {
        tape.pool.forEachRange(shape.tokens, tileSize: Self.tileRows) { rows, _ in
            for row in rows {
                (keyValues + row * columns).update(
                    from: qkv + row * shape.inputColumns + shape.outputColumns, count: columns)
            }
        }
    }

    private func writeKeyValues(
        _ keyValues: UnsafePointer<Float>, into qkv: UnsafeMutablePointer<Float>, on tape: Tape
    ) {
        tape.pool.forEachRange(shape.tokens, tileSize: Self.tileRows) { rows, _ in
            for row in rows {
                (qkv + row * shape.inputColumns + shape.outputColumns).update(
                    from: keyValues + row * columns, count: columns)
            }
        }
    }

    private func fillWithZeros(_ memory: UnsafeMutablePointer<Float>, on tape: Tape) {
        tape.pool.forEachRange(count, tileSize: 1 << 15) { range, _ in
            (memory + range.lowerBound).update(repeating: 0, count: range.count)
        }
    }

    private func add(_ source: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, on tape: Tape) {
        tape.pool.forEachRange(count, tileSize: 1 << 15) { range, _ in
            for index in range { sum[index] += source[index] }
        }
    }
}
