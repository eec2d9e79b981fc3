import Collectives

/// Sums gradients over the replicas of a model, bucket by bucket.
///
/// The loss is scaled by the tokens of the whole global batch, so the sum over replicas is already the average.
/// Buckets are ranges of the flat gradient buffer, from its end, where the backward pass finishes first.
public struct GradientExchange {
    public let communicator: any Communicator
    public let buckets: [Range<Int>]
    private let labels: [String]

    /// - Parameter bucketSize: Floats in a bucket; the default is 25 MiB.
    public init(_ communicator: any Communicator, count: Int, bucketSize: Int = 25 << 18) {
        self.communicator = communicator
        buckets = stride(from: count, to: 0, by: -bucketSize).map { max($0 - bucketSize, 0)..<$0 }
        labels = buckets.indices.map { "gradient bucket \($0)" }
    }

    public func sum(_ gradients: UnsafeMutableBufferPointer<Float>) {
        guard communicator.size > 1 else { return }
        for (bucket, label) in zip(buckets, labels) {
            communicator.allReduce(UnsafeMutableBufferPointer(rebasing: gradients[bucket]), .sum, label: label)
        }
    }
}
