import Autograd
import Collectives
import Foundation
import Kernels
import Models
import Numerics
import Parallelism

/// Attention of sequences that are cut over the ranks, and its gradients, against attention of whole sequences.
func compareAttention() throws {
    let world = try ProcessGroup.world()
    // A ring of one chunk of a few tokens, and one whose chunks are more than a block of the kernels.
    for (length, headSize) in [(2 * world.size, 4), (10 * world.size, 6), (440 * world.size, 8)] {
        for keyValueHeads in [4, 2, 1] {
            for isRotatedAndDropped in [false, true] {
                let check = AttentionCheck(
                    communicator: world,
                    shape: AttentionShape(
                        batch: 2, sequence: length, heads: 4, keyValueHeads: keyValueHeads, headSize: headSize,
                        firstHead: 4),
                    isRotatedAndDropped: isRotatedAndDropped)
                check.run(RingAttention(world), "ring")
                if keyValueHeads % world.size == 0 { check.run(HeadExchangeAttention(world), "heads") }
            }
        }
    }
    if world.rank == 0 { print("attention is the same on \(world.size) ranks") }
}

private struct AttentionCheck {
    let communicator: any Communicator
    /// Of the whole.
    let shape: AttentionShape
    let isRotatedAndDropped: Bool

    func run(_ attention: any AttentionExecution, _ name: String) {
        let positions = TokenPositions.part(
            communicator.rank, of: communicator.size, sequenceLength: shape.sequence)
        var part = shape
        part.sequence = positions.sequenceLength
        let rows = (0..<part.tokens).map { row in
            positions.sequence(ofRow: row) * shape.sequence + positions.position(ofRow: row)
        }
        let inputs = numbers(shape.tokens * shape.inputColumns, "qkv")
        let outputGradients = numbers(shape.tokens * shape.outputColumns, "dy")

        let whole = attend(WholeSequences.shared, shape, .init(sequenceLength: shape.sequence), inputs, outputGradients)
        let mine = attend(
            attention, part, positions, pick(rows, of: inputs, columns: shape.inputColumns),
            pick(rows, of: outputGradients, columns: shape.outputColumns))
        expect("\(name), output", mine.output, pick(rows, of: whole.output, columns: shape.outputColumns))
        expect("\(name), unrecorded", mine.unrecorded, mine.output, tolerance: 0)
        expect("\(name), gradient", mine.gradient, pick(rows, of: whole.gradient, columns: shape.inputColumns))
        guard shape.sequence > 1_000 else { return }
        // As many blocks as threads, and more: the two orders of the backward pass.
        for threads in [1, 9] {
            let other = attend(
                attention, part, positions, pick(rows, of: inputs, columns: shape.inputColumns),
                pick(rows, of: outputGradients, columns: shape.outputColumns), threads: threads)
            expect("\(name), output with \(threads) threads", other.output, mine.output, tolerance: 0)
            expect("\(name), gradient with \(threads) threads", other.gradient, mine.gradient, tolerance: 0)
        }
    }

    /// Runs attention twice: without recording, and with its backward pass.
    private func attend(
        _ attention: any AttentionExecution, _ shape: AttentionShape, _ positions: TokenPositions, _ inputs: [Float],
        _ outputGradients: [Float], threads: Int = 2
    ) -> (output: [Float], unrecorded: [Float], gradient: [Float]) {
        let samples: [UInt64] = [9, 1 << 40]
        let rotary =
            isRotatedAndDropped
            ? RotaryTable(headSize: shape.headSize, contextLength: self.shape.sequence, theta: 100) : nil
        let tape = Tape(pool: ThreadPool(threadCount: threads))
        var (values, gradients) = (inputs, [Float](repeating: .nan, count: inputs.count))
        return samples.withUnsafeBufferPointer { samples in
            values.withUnsafeMutableBufferPointer { values in
                gradients.withUnsafeMutableBufferPointer { gradients in
                    outputGradients.withUnsafeBufferPointer { outputGradients in
                        let qkv = tape.bind(
                            values.baseAddress!, gradient: gradients.baseAddress!, rows: shape.tokens,
                            columns: shape.inputColumns)
                        func run() -> Tensor {
                            for index in values.indices { values[index] = inputs[index] }
                            return attention.attend(
                                qkv, shape, positions: positions, rotary: rotary,
                                dropout: isRotatedAndDropped
                                    ? AttentionDropout(probability: 0.2, seed: 3, site: 1, sampleIndices: samples)
                                    : nil,
                                on: tape)
                        }
                        func output(_ y: Tensor) -> [Float] {
                            Array(UnsafeBufferPointer(start: tape.value(y), count: y.count))
                        }
                        tape.isRecording = false
                        let unrecorded = output(run())
                        tape.reset()
                        tape.isRecording = true
                        tape.startGradients()
                        let y = run()
                        let recorded = output(y)
                        tape.record(GivenGradient(y: y, gradient: outputGradients.baseAddress!), since: tape.mark())
                        tape.backward()
                        return (recorded, unrecorded, Array(gradients))
                    }
                }
            }
        }
    }

    /// The same on every rank.
    private func numbers(_ count: Int, _ name: String) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            CounterRandom(seed: 1, name: name).fillNormal(.init(rebasing: buffer[..<count]), standardDeviation: 1)
            initialized = count
        }
    }

    private func pick(_ rows: [Int], of matrix: [Float], columns: Int) -> [Float] {
        rows.flatMap { matrix[$0 * columns..<($0 + 1) * columns] }
    }

    private func expect(_ what: String, _ found: [Float], _ expected: [Float], tolerance: Float = 1e-5) {
        let subject = Subject(communicator: communicator, name: "\(shape), rotated and dropped \(isRotatedAndDropped)")
        subject.expect(found.count == expected.count, "size of \(what)")
        let largest = expected.reduce(1) { max($0, abs($1)) }
        for (index, (value, wanted)) in zip(found, expected).enumerated()
        where !(abs(value - wanted) <= tolerance * largest) {
            subject.fail("\(what), element \(index) of \(found.count)", expected: "\(wanted)", found: "\(value)")
        }
    }
}

/// Begins a backward pass with a gradient that is given.
struct GivenGradient: Operator {
    let y: Tensor
    let gradient: UnsafePointer<Float>

    func backward(on tape: Tape) {
        guard let sink = tape.gradientSink(y) else { return }
        sink.pointer.update(from: gradient, count: y.count)
    }
}
