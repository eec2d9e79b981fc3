import Autograd
import Models

/// Runs blocks as another execution does, and tells a gradient exchange when the backward pass has completed the
/// gradients of each part of the model.
///
/// Parameters lie in the flat buffer in the order of the forward pass, so when the backward pass comes to the beginning
/// of a layer, everything from that layer on is complete: all but the embedding that may be the output projection too,
/// and which comes first.
public final class ExchangingExecution: BlockExecution {
    private let inner: any BlockExecution
    private let exchange: GradientExchange
    private let accumulation: GradientAccumulation
    private let shared: SharedGradients?
    private let store: ParameterStore

    /// - Parameters:
    ///   - accumulation: Completes the sums over this rank's micro-batches before they are exchanged.
    ///   - shared: Completes those of parameters that tensor-parallel ranks have in common.
    public init(
        _ exchange: GradientExchange, after accumulation: GradientAccumulation, _ shared: SharedGradients? = nil,
        of store: ParameterStore, around inner: any BlockExecution
    ) {
        self.exchange = exchange
        self.accumulation = accumulation
        self.shared = shared
        self.store = store
        self.inner = inner
    }

    public func run(block: Int, on tape: Tape, _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor {
        inner.run(block: block, on: tape, input, body)
    }

    public func pass(before parameter: Parameter, on tape: Tape) {
        inner.pass(before: parameter, on: tape)
        guard exchange.overlaps else { return }
        tape.record(
            Boundary(
                exchange: exchange, accumulation: accumulation, shared: shared, first: store.bindings[parameter],
                element: store.layout.start(of: parameter)),
            since: tape.mark())
    }
}

/// A place on the tape behind which all gradients are complete once the backward pass comes by.
private struct Boundary: Operator {
    let exchange: GradientExchange
    let accumulation: GradientAccumulation
    let shared: SharedGradients?
    let first: Tensor
    let element: Int

    func backward(on tape: Tape) {
        guard exchange.needsCompletion, accumulation.isAtLast else { return }
        accumulation.complete(from: first)
        accumulation.finish(from: element)
        shared?.sum(from: element)
        exchange.complete(from: element)
    }
}
