import Kernels
import Numerics

/// Dropout of attention weights.
///
/// A weight is dropped or not as a pure function of seed, site, sample, head in the whole model, and the positions of
/// query and key.
public struct AttentionDropout {
    public var probability: Float
    public var seed: UInt64
    /// Which dropout of which layer this is.
    public var site: UInt32
    /// The global number of each sequence of the batch. Must outlive the backward pass.
    public var sampleIndices: UnsafeBufferPointer<UInt64>

    public init(probability: Float, seed: UInt64, site: UInt32, sampleIndices: UnsafeBufferPointer<UInt64>) {
        self.probability = probability
        self.seed = seed
        self.site = site
        self.sampleIndices = sampleIndices
    }

    /// The mask of one head of one sequence of the batch.
    ///
    /// - Parameter head: counted over the whole model.
    func mask(sequence: Int, head: Int) -> AttentionMask {
        // One above the head, so that no stream is that of a `Dropout`, whose high half is zero.
        let stream = UInt64(head + 1) << 32 | UInt64(site)
        return AttentionMask(
            mask: DropoutMask(probability: probability, key: Philox.key(seed: seed, stream: stream)),
            sample: sampleIndices[sequence])
    }
}
