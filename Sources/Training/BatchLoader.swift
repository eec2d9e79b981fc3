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
    private let capacity: Int

    private let sample: UnsafeMutableBufferPointer<Int32>
    private let tokens: UnsafeMutableBufferPointer<Int32>
    private let targets: UnsafeMutableBufferPointer<Int32>
    private let indices: UnsafeMutableBufferPointer<UInt64>
    /// Batches cut so far; each takes the next place of `capacity`.
    private var count = 0

    /// - Parameter capacity: How many micro-batches are in use at a time.
    init(_ sampler: TokenSampler, sequenceLength: Int, microBatchSize: Int, capacity: Int = 1) {
        self.sampler = sampler
        self.sequenceLength = sequenceLength
        self.microBatchSize = microBatchSize
        self.capacity = capacity
        sample = .allocate(capacity: sequenceLength + 1)
        tokens = .allocate(capacity: capacity * microBatchSize * sequenceLength)
        targets = .allocate(capacity: capacity * microBatchSize * sequenceLength)
        indices = .allocate(capacity: capacity * microBatchSize)
    }

    deinit {
        sample.deallocate()
        tokens.deallocate()
        targets.deallocate()
        indices.deallocate()
    }

    /// Where a sample stands in the data.
    func place(of sample: UInt64) -> TokenSampler.Place { sampler.place(of: sample) }

    /// The samples `range` of the run, at most a micro-batch of them. Valid until as many further calls as the loader's
    /// capacity.
    func batch(_ range: Range<UInt64>) throws -> TokenBatch {
        precondition(range.count <= microBatchSize)
        let firstRow = count % capacity * microBatchSize
        let first = firstRow * sequenceLength
        for (row, index) in range.enumerated() {
            try sampler.copySample(at: index, into: sample)
            let start = first + row * sequenceLength
            (tokens.baseAddress! + start).update(from: sample.baseAddress!, count: sequenceLength)
            (targets.baseAddress! + start).update(from: sample.baseAddress! + 1, count: sequenceLength)
            indices[firstRow + row] = index
        }
        count += 1
        let elements = first..<first + range.count * sequenceLength
        return TokenBatch(
            tokens: UnsafeBufferPointer(rebasing: tokens[elements]),
            targets: UnsafeBufferPointer(rebasing: targets[elements]),
            sampleIndices: UnsafeBufferPointer(rebasing: indices[firstRow..<firstRow + range.count]),
            sequenceLength: sequenceLength)
    }
}
