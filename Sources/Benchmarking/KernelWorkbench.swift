import Autograd
import Numerics

/// A tape and operands for one kernel.
final class KernelWorkbench {
    let pool: ThreadPool
    let tape: Tape
    private var buffers: [UnsafeMutablePointer<Float>] = []

    init(pool: ThreadPool) {
        self.pool = pool
        tape = Tape(pool: pool)
    }

    deinit {
        for buffer in buffers { Arena.deallocate(buffer) }
    }

    /// Normal numbers that live as long as the bench.
    func numbers(_ count: Int) -> UnsafeMutablePointer<Float> {
        let buffer = Arena.allocateAligned(count)
        buffers.append(buffer)
        CounterRandom(seed: UInt64(buffers.count), name: "kernel benchmark").fillNormal(
            UnsafeMutableBufferPointer(start: buffer, count: count), pool: pool)
        return buffer
    }

    /// Ids below `limit` that live as long as the bench.
    func ids(_ count: Int, below limit: Int) -> UnsafeBufferPointer<Int32> {
        let buffer = Arena.allocateAligned(count)
        buffers.append(buffer)
        let raw = UnsafeMutableRawPointer(buffer).assumingMemoryBound(to: Int32.self)
        let random = CounterRandom(seed: 7, name: "kernel benchmark ids")
        for index in 0..<count {
            raw[index] = Int32(min(Int(random.uniform(at: index) * Float(limit)), limit - 1))
        }
        return UnsafeBufferPointer(start: raw, count: count)
    }

    /// The numbers of as many sequences.
    func samples(_ count: Int) -> UnsafeBufferPointer<UInt64> {
        let buffer = Arena.allocateAligned(2 * count)
        buffers.append(buffer)
        let raw = UnsafeMutableRawPointer(buffer).assumingMemoryBound(to: UInt64.self)
        for index in 0..<count { raw[index] = UInt64(index) }
        return UnsafeBufferPointer(start: raw, count: count)
    }

    /// A matrix that wants a gradient.
    func tensor(_ rows: Int, _ columns: Int) -> Tensor {
        tape.bind(numbers(rows * columns), gradient: numbers(rows * columns), rows: rows, columns: columns)
    }

    /// An operator forward and, from a gradient of ones, backward. Bind its operands before.
    func step(_ operation: @escaping (Tape) -> Tensor?) -> () -> Void {
        let tape = tape
        return {
            tape.startGradients()
            if let y = operation(tape) { tape.record(GradientSource(y: y), since: tape.mark()) }
            tape.backward()
        }
    }

    /// A kernel without a tape, as a span of its own.
    func kernel(
        _ name: StaticString, _ shape: Trace.Shape, _ work: Trace.Work, _ body: @escaping (ThreadPool) -> Void
    ) -> () -> Void {
        let pool = pool
        return {
            let mark = Profiler.mark(pool)
            body(pool)
            Profiler.record(since: mark, .phase, name, shape: shape, work: work, pool: pool)
        }
    }
}

/// Supplies the first gradient.
private struct GradientSource: Operator {
    let y: Tensor

    func backward(on tape: Tape) {
        guard let sink = tape.gradientSink(y) else { return }
        sink.pointer.update(repeating: 1, count: y.count)
    }
}
