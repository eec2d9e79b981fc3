import Models
import TokenData

/// Cuts samples into the micro-batches of one data-parallel rank.
///
/// Which samples a step sees depends on the global sample index alone: step *s* takes the samples from *s* × global
/// batch on, and each rank a consecutive share of them.
final class BatchLoader {
    private let sampler: TokenSampler
    private let sequenceLength: Int
    private let microBatchSize: Int

    private let sample: UnsafeMutableBufferPointer<Int32>
    private let tokens: UnsafeMutableBufferPointer<Int32>
    private let targets: UnsafeMutableBufferPointer<Int32>
    private let indices: UnsafeMutableBufferPointer<UInt64>

    init(_ sampler: TokenSampler, sequenceLength: Int, microBatchSize: Int) {
        self.sampler = sampler
        self.sequenceLength = sequenceLength
        self.microBatchSize = microBatchSize
        sample = .allocate(capacity: sequenceLength + 1)
        tokens = .allocate(capacity: microBatchSize * sequenceLength)
        targets = .allocate(capacity: microBatchSize * sequenceLength)
        indices = .allocate(capacity: microBatchSize)
    }

    deinit {
        sample.deallocate()
        tokens.deallocate()
        targets.deallocate()
        indices.deallocate()
    }

    /// Where a sample stands in the data.
    func place(of sample: UInt64) -> TokenSampler.Place { sampler.place(of: sample) }

    /// The samples `range` of the run, at most a micro-batch of them. Valid until the next call.
    func batch(_ range: Range<UInt64>) throws -> TokenBatch {
        precondition(range.count <= microBatchSize)
        for (row, index) in range.enumerated() {
            try sampler.copySample(at: index, into: sample)
            let start = row * sequenceLength
            (tokens.baseAddress! + start).update(from: sample.baseAddress!, count: sequenceLength)
            (targets.baseAddress! + start).update(from: sample.baseAddress! + 1, count: sequenceLength)
            indices[row] = index
        }
        let count = range.count * sequenceLength
        return TokenBatch(
            tokens: UnsafeBufferPointer(rebasing: tokens[..<count]),
            targets: UnsafeBufferPointer(rebasing: targets[..<count]),
            sampleIndices: UnsafeBufferPointer(rebasing: indices[..<range.count]), sequenceLength: sequenceLength)
    }
}
