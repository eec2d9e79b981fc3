import Autograd

/// Runs an operator once on a fresh tape.
struct TapeRun {
    let threads: Int

    /// The operator's output, without recording.
    func output(of inputs: [[Float]], rows: [Int], _ build: (Tape, [Tensor]) -> Tensor) -> [Float] {
        run(inputs, rows: rows, isRecording: false, build).output
    }

    /// The output, and the gradients of the inputs for the objective of `GradientCheck` with seed 1.
    func run(
        _ inputs: [[Float]], rows: [Int], isRecording: Bool = true, _ build: (Tape, [Tensor]) -> Tensor
    ) -> (output: [Float], gradients: [[Float]]) {
        withTape(threads: threads) { tape, bind in
            tape.isRecording = isRecording
            let tensors = zip(inputs, rows).map { bind($0, $1) }
            tape.startGradients()
            let result = build(tape, tensors)
            let output = Array(UnsafeBufferPointer(start: tape.value(result), count: result.count))
            guard isRecording else { return (output, []) }
            _ = tape.project(result, seed: 1)
            tape.backward()
            let gradients = tensors.map { Array(UnsafeBufferPointer(start: tape.gradient($0), count: $0.count)) }
            return (output, gradients)
        }
    }
}
