import Autograd
import Collectives
import Foundation
import Models
import Numerics
import Parallelism

/// A feed-forward layer whose weights, and with sequence parallelism also tokens, are shared out to the ranks, against
/// the same layer on one.
func compareRegions() throws {
    let world = try ProcessGroup.world()
    let whole = FeedForwardRun(rank: 0, size: 1, regions: UndividedRegions.shared)
    for (name, regions) in [
        ("tensor", TensorParallelRegions(world) as any TensorRegions), ("sequence", SequenceParallelRegions(world)),
    ] {
        let part = FeedForwardRun(rank: world.rank, size: world.size, regions: regions)
        let rows = regions.rows(of: FeedForwardRun.rows)
        let subject = Subject(communicator: world, name: name)
        func expect(_ what: String, _ found: [Float], _ expected: some Collection<Float>) {
            subject.expect(found.count == expected.count, "size of \(what)")
            for (index, (value, wanted)) in zip(found, expected).enumerated()
            where !(abs(value - wanted) <= 1e-5 * max(1, abs(wanted))) {
                subject.fail("\(what), element \(index)", expected: "\(wanted)", found: "\(value)")
            }
        }
        let width = FeedForwardRun.width
        let elements = rows.lowerBound * width..<rows.upperBound * width
        expect("output", part.output, whole.output[elements])
        expect("gradient of the input", part.inputGradient, whole.inputGradient[elements])
        expect("gradient of the residual", part.residualGradient, whole.residualGradient[elements])
        let share = whole.weightGradient.count / world.size
        expect(
            "gradient of the weight", part.weightGradient,
            whole.weightGradient[world.rank * share..<(world.rank + 1) * share])
        // Computed from this rank's rows; the others' are to be added.
        var biasGradient = part.biasGradient
        if rows.count < FeedForwardRun.rows {
            biasGradient.withUnsafeMutableBufferPointer { world.allReduce($0, .sum, label: "bias") }
        }
        expect("gradient of the bias", biasGradient, whole.biasGradient)
    }
    if world.rank == 0 { print("regions are the same on \(world.size) ranks") }
}

/// residual + dropout(gelu(x·Aᵀ)·Bᵀ + bias), forward and backward.
private final class FeedForwardRun {
    /// Sequences of 8 tokens; no rank's share of the rows begins with one.
    static let rows = 24
    static let width = 16
    private static let hidden = 32

    private(set) var output: [Float] = []
    private(set) var inputGradient: [Float] = []
    private(set) var residualGradient: [Float] = []
    private(set) var weightGradient: [Float] = []
    private(set) var biasGradient: [Float] = []

    private var buffers: [UnsafeMutablePointer<Float>] = []
    private let tape = Tape(pool: ThreadPool(threadCount: 2))
    private let samples = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 3)

    init(rank: Int, size: Int, regions: any TensorRegions) {
        for row in samples.indices { samples[row] = UInt64(5 * row) }
        let (width, hidden) = (Self.width, Self.hidden / size)
        let rows = regions.rows(of: Self.rows)
        let x = bind("x", rows: Self.rows, columns: width, picking: rows, 0..<width)
        let residual = bind("residual", rows: Self.rows, columns: width, picking: rows, 0..<width)
        let expand = bind(
            "A", rows: Self.hidden, columns: width, picking: rank * hidden..<(rank + 1) * hidden, 0..<width)
        let down = bind(
            "B", rows: width, columns: Self.hidden, picking: 0..<width, rank * hidden..<(rank + 1) * hidden)
        let bias = bind("bias", rows: 1, columns: width, picking: 0..<1, 0..<width)
        let positions = TokenPositions(sequenceLength: 8).dropping(rows: rows.lowerBound)
        let dropout = Dropout(
            probability: 0.25, seed: 1, site: 3, sampleIndices: UnsafeBufferPointer(samples), positions: positions)

        tape.startGradients()
        let inside = regions.enter(x, on: tape)
        let expanded = tape.linear(inside, weight: expand, activation: .geluTanh)
        regions.finish(with: inside, on: tape)
        let y = regions.leaveThroughLinear(
            expanded, weight: down, bias: bias, dropout: dropout, residual: residual, on: tape)
        output = Array(UnsafeBufferPointer(start: tape.value(y), count: y.count))
        let gradient = numbers("dy", rows: Self.rows, columns: width, picking: rows, 0..<width)
        gradient.withUnsafeBufferPointer {
            tape.record(GivenGradient(y: y, gradient: $0.baseAddress!), since: tape.mark())
            tape.backward()
        }
        inputGradient = gradients(of: x)
        residualGradient = gradients(of: residual)
        weightGradient = gradients(of: expand)
        biasGradient = gradients(of: bias)
    }

    deinit {
        for buffer in buffers { buffer.deallocate() }
        samples.deallocate()
    }

    private func gradients(of tensor: Tensor) -> [Float] {
        Array(UnsafeBufferPointer(start: tape.gradient(tensor)!, count: tensor.count))
    }

    private func bind(
        _ name: String, rows: Int, columns: Int, picking pickedRows: Range<Int>, _ pickedColumns: Range<Int>
    ) -> Tensor {
        let values = numbers(name, rows: rows, columns: columns, picking: pickedRows, pickedColumns)
        let (value, gradient) = (
            UnsafeMutablePointer<Float>.allocate(capacity: values.count),
            UnsafeMutablePointer<Float>.allocate(capacity: values.count)
        )
        value.initialize(from: values, count: values.count)
        gradient.initialize(repeating: .nan, count: values.count)
        buffers += [value, gradient]
        return tape.bind(value, gradient: gradient, rows: pickedRows.count, columns: pickedColumns.count)
    }

    /// A part of a matrix that is the same on every rank.
    private func numbers(
        _ name: String, rows: Int, columns: Int, picking pickedRows: Range<Int>, _ pickedColumns: Range<Int>
    ) -> [Float] {
        var whole = [Float](repeating: 0, count: rows * columns)
        whole.withUnsafeMutableBufferPointer {
            CounterRandom(seed: 2, name: name).fillNormal($0, standardDeviation: 0.5)
        }
        return pickedRows.flatMap { row in pickedColumns.map { whole[row * columns + $0] } }
    }
}
