import Autograd
import Numerics

/// Runs `body` on a fresh tape with a function that binds copies of arrays, by rows, with gradients.
func withTape<Result>(
    threads: Int = 2, _ body: (_ tape: Tape, _ bind: ([Float], _ rows: Int) -> Tensor) throws -> Result
) rethrows -> Result {
    let tape = Tape(pool: ThreadPool(threadCount: threads))
    var buffers: [UnsafeMutablePointer<Float>] = []
    defer { for buffer in buffers { buffer.deallocate() } }
    return try body(tape) { values, rows in
        let value = UnsafeMutablePointer<Float>.allocate(capacity: values.count)
        let gradient = UnsafeMutablePointer<Float>.allocate(capacity: values.count)
        value.initialize(from: values, count: values.count)
        gradient.initialize(repeating: .nan, count: values.count)
        buffers += [value, gradient]
        return tape.bind(value, gradient: gradient, rows: rows, columns: values.count / rows)
    }
}
