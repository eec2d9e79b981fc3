import Autograd
import Numerics

/// Runs an operator once on a fresh tape.
struct TapeRun {
    let threads: Int

    /// The gradients of the inputs, for the objective of `GradientCheck`.
    func gradients(of inputs: [[Float]], rows: [Int], _ build: (Tape, [Tensor]) -> Tensor) -> [[Float]] {
        run(inputs, rows: rows, build).gradients
    }

    /// The operator's output, without recording.
    func output(of inputs: [[Float]], rows: [Int], _ build: (Tape, [Tensor]) -> Tensor) -> [Float] {
        run(inputs, rows: rows, isRecording: false, build).output
    }

    func run(
        _ inputs: [[Float]], rows: [Int], isRecording: Bool = true, _ build: (Tape, [Tensor]) -> Tensor
    ) -> (output: [Float], gradients: [[Float]]) {
        let tape = Tape(pool: ThreadPool(threadCount: threads))
        tape.isRecording = isRecording
        let values = inputs.map { input in
            let buffer = UnsafeMutablePointer<Float>.allocate(capacity: input.count)
            buffer.initialize(from: input, count: input.count)
            return buffer
        }
        let gradients = inputs.map { input in
            let buffer = UnsafeMutablePointer<Float>.allocate(capacity: input.count)
            buffer.initialize(repeating: .nan, count: input.count)
            return buffer
        }
        defer { for buffer in values + gradients { buffer.deallocate() } }
        let tensors = inputs.indices.map {
            tape.bind(values[$0], gradient: gradients[$0], rows: rows[$0], columns: inputs[$0].count / rows[$0])
        }
        tape.startGradients()
        let result = build(tape, tensors)
        let output = Array(UnsafeBufferPointer(start: tape.value(result), count: result.count))
        if isRecording {
            _ = tape.project(result, seed: 1)
            tape.backward()
        }
        return (
            output, inputs.indices.map { Array(UnsafeBufferPointer(start: gradients[$0], count: inputs[$0].count)) }
        )
    }
}
