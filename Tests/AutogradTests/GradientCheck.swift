import Autograd
import Numerics
import Testing

/// Compares an operator's gradients with central differences of an objective built on it.
///
/// The objective is the scalar product of the operator's output and fixed random weights, summed in double precision.
/// Each check also demands that
/// - every element of a gradient is written (the buffers begin as NaN),
/// - a second contribution is added to the first, for parameters and for tensors made on the tape,
/// - output and gradients are the same bits on 1, 2 and 4 threads.
struct GradientCheck {
    /// Step of the five-point difference: its truncation error goes with the fourth power, and the noise of Float
    /// arithmetic, about 10⁻⁷ over the step, stays far below the tolerance.
    static let step: Float = 0.02
    /// Allowed difference, relative to the gradient element plus the root mean square of its matrix.
    static let tolerance = 1e-3

    /// Checks an operator that returns a matrix.
    ///
    /// - Parameters:
    ///   - shapes: of the inputs, which are normal numbers with standard deviation `scale`.
    ///   - build: runs the operator on a fresh tape; called many times and must do the same each time.
    static func check(
        _ shapes: [(rows: Int, columns: Int)], scale: Float = 1, seed: UInt64 = 1,
        sourceLocation: SourceLocation = #_sourceLocation, _ build: (Tape, [Tensor]) -> Tensor
    ) {
        checkObjective(shapes, scale: scale, seed: seed, sourceLocation: sourceLocation) { tape, inputs in
            tape.project(build(tape, inputs), seed: seed)
        }
    }

    /// Checks an operator that ends a computation and returns a scalar itself.
    static func checkObjective(
        _ shapes: [(rows: Int, columns: Int)], scale: Float = 1, seed: UInt64 = 1,
        sourceLocation: SourceLocation = #_sourceLocation, _ objective: (Tape, [Tensor]) -> Double
    ) {
        let inputs = shapes.enumerated().map { index, shape in
            randomValues(shape.rows * shape.columns, scale: scale, seed: seed, name: "input \(index)")
        }
        let check = Self(shapes: shapes, seed: seed)
        let numeric = check.numericGradients(inputs, objective)
        let direct = check.run(inputs, threads: 1, use: .direct, objective)
        for (index, gradient) in direct.gradients.enumerated() {
            let rms = (numeric[index].reduce(0) { $0 + $1 * $1 } / Double(max(numeric[index].count, 1))).squareRoot()
            for (element, (found, expected)) in zip(gradient, numeric[index]).enumerated() {
                let difference = abs(Double(found) - expected)
                #expect(
                    difference <= tolerance * (rms + abs(expected)) + 1e-6,
                    "input \(index), element \(element): gradient \(found), central difference \(expected)",
                    sourceLocation: sourceLocation)
            }
        }
        check.expectSums(inputs, direct, sourceLocation, objective)
        for threads in [2, 4] {
            let other = check.run(inputs, threads: threads, use: .direct, objective)
            #expect(other.objective == direct.objective, "\(threads) threads", sourceLocation: sourceLocation)
            #expect(other.gradients == direct.gradients, "\(threads) threads", sourceLocation: sourceLocation)
        }
    }

    /// Fixed normal numbers.
    static func randomValues(_ count: Int, scale: Float = 1, seed: UInt64, name: String) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            CounterRandom(seed: seed, name: name).fillNormal(
                .init(rebasing: buffer[..<count]), standardDeviation: scale)
            initialized = count
        }
    }

    // MARK: Runs

    /// How the operator meets its inputs.
    private enum Use: CaseIterable {
        /// They are bound parameters.
        case direct
        /// They were made on the tape.
        case copied
        /// They were made on the tape and are used again later: the operator adds to a gradient that is there.
        case copiedAndUsedLater
        /// They were made on the tape and used before: another operator adds to the gradient this one makes.
        case copiedAndUsedEarlier
    }

    private let shapes: [(rows: Int, columns: Int)]
    private let seed: UInt64

    private func run(
        _ inputs: [[Float]], threads: Int, use: Use, passes: Int = 1, isRecording: Bool = true,
        _ objective: (Tape, [Tensor]) -> Double
    ) -> (objective: Double, gradients: [[Float]]) {
        let tape = Tape(pool: ThreadPool(threadCount: threads))
        tape.isRecording = isRecording
        let buffers = inputs.map { input in
            let value = UnsafeMutablePointer<Float>.allocate(capacity: max(input.count, 1))
            value.initialize(from: input, count: input.count)
            let gradient = UnsafeMutablePointer<Float>.allocate(capacity: max(input.count, 1))
            gradient.initialize(repeating: .nan, count: max(input.count, 1))
            return (value: value, gradient: gradient)
        }
        defer {
            for buffer in buffers {
                buffer.value.deallocate()
                buffer.gradient.deallocate()
            }
        }
        let bound = zip(buffers, shapes).map {
            tape.bind($0.value, gradient: $0.gradient, rows: $1.rows, columns: $1.columns)
        }
        var result = 0.0
        tape.startGradients()
        for _ in 0..<passes {
            let tensors = use == .direct ? bound : bound.map(tape.copy)
            if use == .copiedAndUsedEarlier { for tensor in tensors { _ = tape.project(tensor, seed: seed &+ 1) } }
            result = objective(tape, tensors)
            if use == .copiedAndUsedLater { for tensor in tensors { _ = tape.project(tensor, seed: seed &+ 1) } }
            if isRecording { tape.backward() }
        }
        return (result, zip(buffers, inputs).map { Array(UnsafeBufferPointer(start: $0.gradient, count: $1.count)) })
    }

    private func numericGradients(_ inputs: [[Float]], _ objective: (Tape, [Tensor]) -> Double) -> [[Double]] {
        var inputs = inputs
        func value() -> Double { run(inputs, threads: 1, use: .direct, isRecording: false, objective).objective }
        return inputs.indices.map { input in
            inputs[input].indices.map { element in
                let center = inputs[input][element]
                defer { inputs[input][element] = center }
                /// (f(x + h) - f(x - h)) / 2h, for the h that is left after rounding.
                func centralDifference(_ step: Float) -> Double {
                    let (above, below) = (center + step, center - step)
                    inputs[input][element] = above
                    let valueAbove = value()
                    inputs[input][element] = below
                    return (valueAbove - value()) / (Double(above) - Double(below))
                }
                return (4 * centralDifference(Self.step) - centralDifference(2 * Self.step)) / 3
            }
        }
    }

    /// Checks that contributions add up, whoever comes first.
    private func expectSums(
        _ inputs: [[Float]], _ direct: (objective: Double, gradients: [[Float]]), _ sourceLocation: SourceLocation,
        _ objective: (Tape, [Tensor]) -> Double
    ) {
        func expect(_ found: [[Float]], _ expected: [[Float]], _ comment: Comment) {
            for (found, expected) in zip(found, expected) {
                let largest = expected.reduce(0) { max($0, abs($1)) }
                let difference = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
                let hasNaN = found.contains { $0.isNaN }
                #expect(!hasNaN && difference <= 1e-5 * max(largest, 1), comment, sourceLocation: sourceLocation)
            }
        }
        let twice = run(inputs, threads: 2, use: .direct, passes: 2, objective).gradients
        expect(twice, direct.gradients.map { $0.map { 2 * $0 } }, "two passes into the same parameters")
        let copied = run(inputs, threads: 2, use: .copied, objective).gradients
        expect(copied, direct.gradients, "tensors made on the tape")
        let withProjection = direct.gradients.map { gradient in
            zip(gradient, Tape.projectionWeights(gradient.count, seed: seed &+ 1)).map { $0 + $1 }
        }
        let later = run(inputs, threads: 2, use: .copiedAndUsedLater, objective).gradients
        expect(later, withProjection, "tensors that are used again later")
        let earlier = run(inputs, threads: 2, use: .copiedAndUsedEarlier, objective).gradients
        expect(earlier, withProjection, "tensors that were used before")
    }
}

// MARK: Operators of the harness

extension Tape {
    static func projectionWeights(_ count: Int, seed: UInt64) -> [Float] {
        GradientCheck.randomValues(count, seed: seed, name: "projection")
    }

    /// The scalar product with fixed random weights; its backward supplies the first gradient.
    func project(_ x: Tensor, seed: UInt64) -> Double {
        let weights = Self.projectionWeights(x.count, seed: seed)
        let values = value(x)
        let sum = (0..<x.count).reduce(0.0) { $0 + Double(values[$1]) * Double(weights[$1]) }
        record(Projection(x: x, seed: seed), since: mark())
        return sum
    }

    /// An identity whose result lives on the tape.
    func copy(_ x: Tensor) -> Tensor {
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        value(y).update(from: value(x), count: x.count)
        record(Copy(x: x, y: y), since: mark)
        return y
    }
}

private struct Projection: Operator {
    let x: Tensor
    let seed: UInt64

    func backward(on tape: Tape) {
        guard let sink = tape.gradientSink(x) else { return }
        for (index, weight) in Tape.projectionWeights(x.count, seed: seed).enumerated() {
            sink.pointer[index] = sink.accumulates ? sink.pointer[index] + weight : weight
        }
    }
}

private struct Copy: Operator {
    let x: Tensor
    let y: Tensor

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(x) else { return }
        for index in 0..<x.count {
            sink.pointer[index] = sink.accumulates ? sink.pointer[index] + dy[index] : dy[index]
        }
    }
}
