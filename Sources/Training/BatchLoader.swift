import Autograd
import Models
import TokenData

/// Cuts samples into the micro-batches of one rank.
///
/// Which samples a step sees depends on the global sample index alone: step *s* takes the samples from *s* × global
/// batch on, and each part of the batch a consecutive share of them. Where sequences are cut over ranks, each reads its
/// own tokens only.
final class BatchLoader {
    private let sampler: TokenSampler
    private let positions: TokenPositions
    private let microBatchSize: Int
    private let capacity: Int

    /// A chunk's tokens and the one after them.
    private let chunkTokens: UnsafeMutableBufferPointer<Int32>
    private let tokens: UnsafeMutableBufferPointer<Int32>
    private let targets: UnsafeMutableBufferPointer<Int32>
    private let indices: UnsafeMutableBufferPointer<UInt64>
    /// Batches cut so far; each takes the next place of `capacity`.
    private var count = 0

    /// - Parameters:
    ///   - positions: The tokens of every sample that this rank has.
    ///   - capacity: How many micro-batches are in use at a time.
    init(_ sampler: TokenSampler, positions: TokenPositions, microBatchSize: Int, capacity: Int = 1) {
        self.sampler = sampler
        self.positions = positions
        self.microBatchSize = microBatchSize
        self.capacity = capacity
        chunkTokens = .allocate(capacity: positions.sequenceLength + 1)
        tokens = .allocate(capacity: capacity * microBatchSize * positions.sequenceLength)
        targets = .allocate(capacity: tokens.count)
        indices = .allocate(capacity: capacity * microBatchSize)
    }

    deinit {
        chunkTokens.deallocate()
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
        let first = firstRow * positions.sequenceLength
        let chunks = positions.chunks
        for (row, index) in range.enumerated() {
            let start = first + row * positions.sequenceLength
            try copy(chunks.first, ofSample: index, to: start)
            try copy(chunks.second, ofSample: index, to: start + chunks.first.count)
            indices[firstRow + row] = index
        }
        count += 1
        let elements = first..<first + range.count * positions.sequenceLength
        return TokenBatch(
            tokens: UnsafeBufferPointer(rebasing: tokens[elements]),
            targets: UnsafeBufferPointer(rebasing: targets[elements]),
            sampleIndices: UnsafeBufferPointer(rebasing: indices[firstRow..<firstRow + range.count]),
            positions: positions)
    }

    private func copy(_ chunk: Range<Int>, ofSample index: UInt64, to start: Int) throws {
        guard !chunk.isEmpty else { return }
        let sample = UnsafeMutableBufferPointer(rebasing: chunkTokens[...chunk.count])
        try sampler.copyTokens(ofSample: index, from: chunk.lowerBound, into: sample)
        (tokens.baseAddress! + start).update(from: sample.baseAddress!, count: chunk.count)
        (targets.baseAddress! + start).update(from: sample.baseAddress! + 1, count: chunk.count)
    }
}
