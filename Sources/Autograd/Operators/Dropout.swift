import Numerics

/// One dropout of a forward pass: which elements of a `[tokens, channels]` matrix are zeroed.
///
/// The mask is a pure function of seed, site, sample, position and channel, never of rank, thread or micro-batch, so
/// the backward pass recomputes it instead of storing it and any layout of a run drops the same elements.
public struct Dropout {
    public var probability: Float
    public var seed: UInt64
    /// Which dropout of which layer this is.
    public var site: UInt32
    /// The global number of each sequence of the batch. Must outlive the backward pass.
    public var sampleIndices: UnsafeBufferPointer<UInt64>
    /// Of the rows.
    public var positions: TokenPositions

    public init(
        probability: Float, seed: UInt64, site: UInt32, sampleIndices: UnsafeBufferPointer<UInt64>,
        positions: TokenPositions
    ) {
        self.probability = probability
        self.seed = seed
        self.site = site
        self.sampleIndices = sampleIndices
        self.positions = positions
    }

    /// Sequences that are whole from a position on.
    public init(
        probability: Float, seed: UInt64, site: UInt32, sampleIndices: UnsafeBufferPointer<UInt64>,
        sequenceLength: Int, firstPosition: Int = 0
    ) {
        self.init(
            probability: probability, seed: seed, site: site, sampleIndices: sampleIndices,
            positions: TokenPositions(sequenceLength: sequenceLength, firstPosition: firstPosition))
    }

    /// Writes the factors (0, or 1 / (1 − probability)) of some channels of a row.
    ///
    /// Several rows are cheaper with one `mask` made before the loop.
    public func writeFactors(
        row: Int, channels: Range<Int>, mask: DropoutMask, into factors: UnsafeMutablePointer<Float>
    ) {
        let sample = sampleIndices[positions.sequence(ofRow: row)]
        let counter = (
            UInt32(truncatingIfNeeded: positions.position(ofRow: row)), UInt32(truncatingIfNeeded: sample),
            UInt32(truncatingIfNeeded: sample &>> 32)
        )
        mask.write(channels, counter: counter, into: factors)
    }

    /// What `writeFactors` needs once a matrix.
    public var mask: DropoutMask {
        DropoutMask(probability: probability, key: Philox.key(seed: seed, stream: UInt64(site)))
    }
}
