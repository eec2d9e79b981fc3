import Autograd

/// A micro-batch of token sequences of one length, or of the same part of each.
///
/// The memory belongs to the caller and must outlive the backward pass.
public struct TokenBatch {
    /// `[batch × sequence]` inputs, one sequence after the other.
    public var tokens: UnsafeBufferPointer<Int32>
    /// `[batch × sequence]` next tokens; a negative one is not counted in the loss.
    public var targets: UnsafeBufferPointer<Int32>
    /// `[batch]` global numbers of the samples: they key dropout, so that a sample is treated alike on every layout.
    public var sampleIndices: UnsafeBufferPointer<UInt64>
    /// Where the tokens stand in their sequences.
    public var positions: TokenPositions

    public init(
        tokens: UnsafeBufferPointer<Int32>, targets: UnsafeBufferPointer<Int32>,
        sampleIndices: UnsafeBufferPointer<UInt64>, positions: TokenPositions
    ) {
        precondition(tokens.count == sampleIndices.count * positions.sequenceLength)
        self.tokens = tokens
        self.targets = targets
        self.sampleIndices = sampleIndices
        self.positions = positions
    }

    /// Whole sequences.
    public init(
        tokens: UnsafeBufferPointer<Int32>, targets: UnsafeBufferPointer<Int32>,
        sampleIndices: UnsafeBufferPointer<UInt64>, sequenceLength: Int
    ) {
        self.init(
            tokens: tokens, targets: targets, sampleIndices: sampleIndices,
            positions: TokenPositions(sequenceLength: sequenceLength))
    }

    public var batchSize: Int { sampleIndices.count }
    /// Tokens of each sequence that are here.
    public var sequenceLength: Int { positions.sequenceLength }
}
