import Kernels
import Numerics

/// Gradients of linears' weights that nothing waits for, and that are computed when there is time.
///
/// The backward pass of a linear has two products: dX = dS·W, which the layers before it wait for, and dW = dSᵀ·X, which
/// only the optimizer does. While `Tape.deferral` is set the second is put on this list, with the memory of its factors;
/// `Tape.run(_:)` computes it later. See Qi et al. 2023 (Zero Bubble Pipeline Parallelism).
public final class DeferredGradients {
    /// One dW = dSᵀ·X.
    fileprivate struct Product {
        let weight: Tensor
        /// dS, `[rows, outputs]`, and X, `[rows, inputs]`.
        let sumsGradient: UnsafeMutablePointer<Float>
        let input: UnsafeMutablePointer<Float>
        let rows: Int
        let inputCount: Int
        /// Whether X is the list's to release; dS always is.
        let ownsInput: Bool
    }

    fileprivate var products: [Product] = []

    public init() {}

    public var isEmpty: Bool { products.isEmpty }
}

extension Tape {
    /// Puts off dW = dSᵀ·X.
    ///
    /// - Parameter sumsGradient: dS, `[x.rows, weight.rows]`, memory from `arena` that is the list's from here on.
    func deferGradient(
        of weight: Tensor, sumsGradient: UnsafeMutablePointer<Float>, input x: Tensor, into list: DeferredGradients
    ) {
        let input = value(x)
        let index = root(x)
        // Operators before this one may still read X; its memory only has to outlive them.
        let ownsInput = slots[index].ownsValue
        slots[index].ownsValue = false
        list.products.append(
            .init(
                weight: weight, sumsGradient: sumsGradient, input: input, rows: x.rows, inputCount: slots[index].count,
                ownsInput: ownsInput))
    }

    /// Computes all gradients of a list, in the order of the backward pass that put them there, and empties it.
    public func run(_ list: DeferredGradients) {
        for product in list.products {
            guard let sink = gradientSink(product.weight) else { continue }
            let (outputs, inputs) = (product.weight.rows, product.weight.columns)
            let start = Profiler.mark(pool)
            MatrixProduct(
                rows: outputs, columns: inputs, depth: product.rows,
                .init(product.sumsGradient, stride: outputs, isTransposed: true),
                .init(product.input, stride: inputs), accumulates: sink.accumulates, into: sink.pointer
            ).run(on: pool)
            guard Profiler.isRecording else { continue }
            Profiler.record(
                since: start, .backward, "linear, weights",
                shape: .init(rows: product.rows, inputs: inputs, outputs: outputs),
                work: .product(rows: outputs, columns: inputs, depth: product.rows), pool: pool,
                memory: Trace.Memory(inUse: arena.bytesInUse, reserved: arena.bytesReserved))
        }
        for product in list.products {
            arena.release(product.sumsGradient, count: product.rows * product.weight.rows)
            if product.ownsInput { arena.release(product.input, count: product.inputCount) }
        }
        list.products.removeAll(keepingCapacity: true)
    }
}
