import Autograd

/// What a layer needs besides its input: the tape, this rank's parameters, and how layers and sequences are split and run.
public struct ForwardContext {
    public let tape: Tape
    public let parameters: ParameterBindings
    public let regions: any TensorRegions
    public let attention: any AttentionExecution
    public let blocks: any BlockExecution
    /// Set while training a model that has dropout; nil otherwise.
    public var dropout: DropoutSource?
    public var recomputation: Recomputation

    public init(
        tape: Tape, parameters: ParameterBindings, regions: any TensorRegions = UndividedRegions.shared,
        attention: any AttentionExecution = WholeSequences.shared,
        blocks: any BlockExecution = DirectExecution.shared, dropout: DropoutSource? = nil,
        recomputation: Recomputation = .none
    ) {
        self.tape = tape
        self.parameters = parameters
        self.regions = regions
        self.attention = attention
        self.blocks = blocks
        self.dropout = dropout
        self.recomputation = recomputation
    }
}

/// Runs a model's blocks. Here engines hook in that act around a block: gathering its parameters first, exchanging its
/// gradients as soon as they are there.
public protocol BlockExecution: AnyObject {
    func run(block: Int, on tape: Tape, _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor

    /// Called between layers, `parameter` being the first that the layers to come use: when the backward pass comes by
    /// here, it is done with all parameters that were declared from this one on.
    func pass(before parameter: Parameter, on tape: Tape)
}

extension BlockExecution {
    public func pass(before parameter: Parameter, on tape: Tape) {}
}

/// Runs blocks one after the other, keeping no more than a block's memory where no gradient is wanted.
public final class DirectExecution: BlockExecution, Sendable {
    public static let shared = DirectExecution()

    private init() {}

    public func run(block: Int, on tape: Tape, _ input: Tensor, _ body: (Tensor) -> Tensor) -> Tensor {
        tape.releasingTemporaries { body(input) }
    }
}

/// Makes the dropouts of one micro-batch; each place in the model has its own `site`.
public struct DropoutSource {
    public let probability: Float
    public let seed: UInt64
    public let sampleIndices: UnsafeBufferPointer<UInt64>
    /// Of the rows that this rank has outside of tensor-parallel regions.
    public let positions: TokenPositions

    public init(
        probability: Float, seed: UInt64, sampleIndices: UnsafeBufferPointer<UInt64>, positions: TokenPositions
    ) {
        self.probability = probability
        self.seed = seed
        self.sampleIndices = sampleIndices
        self.positions = positions
    }

    public func at(_ site: DropoutSite) -> Dropout {
        Dropout(
            probability: probability, seed: seed, site: site.code, sampleIndices: sampleIndices, positions: positions)
    }

    func ofAttentionWeights(block: Int) -> AttentionDropout {
        AttentionDropout(
            probability: probability, seed: seed, site: DropoutSite.attentionWeights(block: block).code,
            sampleIndices: sampleIndices)
    }
}

/// A place where a model drops activations.
public enum DropoutSite {
    case embedding
    case attentionWeights(block: Int)
    case attentionOutput(block: Int)
    case feedForwardOutput(block: Int)

    var code: UInt32 {
        switch self {
        case .embedding: 0
        case .attentionWeights(let block): UInt32(block * 4 + 1)
        case .attentionOutput(let block): UInt32(block * 4 + 2)
        case .feedForwardOutput(let block): UInt32(block * 4 + 3)
        }
    }
}
