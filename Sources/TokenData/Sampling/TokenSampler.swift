import Numerics

/// Training samples of a data set, or of a weighted blend of several, in a shuffled order that is computed on the fly.
///
/// The documents of a data set stand in a row, joined by the end-of-text tokens they carry. Sample *i* is the tokens
/// from *i · sequenceLength* on, one more than `sequenceLength`: the inputs are all but the last, the targets all but
/// the first. Every pass over the data (epoch) takes all samples in another order. Since the order is a function of
/// seed and index, a run's position in the data is one number, and every rank takes its share of any index range
/// without asking anyone.
public struct TokenSampler: Sendable {
    /// A data set in a blend.
    public struct Component: Sendable {
        public var dataset: any TokenDataset
        /// Its share of all samples, in any unit.
        public var weight: Double

        public init(_ dataset: any TokenDataset, weight: Double) {
            self.dataset = dataset
            self.weight = weight
        }
    }

    /// Inputs of a sample; a sample has one token more.
    public let sequenceLength: Int
    public let seed: UInt64
    public let shuffled: Bool
    /// The samples of all data sets. After as many, a single data set begins anew in another order.
    public let sampleCount: Int

    private let parts: [Part]
    private let schedule: BlendSchedule?
    private let vocabularySize: Int?

    private struct Part: Sendable {
        let dataset: any TokenDataset
        let sampleCount: Int
        let key: UInt64
    }

    /// - Parameters:
    ///   - shuffled: false takes the samples in the order of the data, every time; for validation.
    ///   - vocabularySize: makes ``copySample(at:into:)`` refuse tokens that a model of this vocabulary doesn't know.
    /// - Throws: `ApusError` if the data set has fewer tokens than one sample.
    public init(
        dataset: any TokenDataset, sequenceLength: Int, seed: UInt64, shuffled: Bool = true, vocabularySize: Int? = nil
    ) throws {
        try self.init(
            blend: [Component(dataset, weight: 1)], sequenceLength: sequenceLength, seed: seed, shuffled: shuffled,
            vocabularySize: vocabularySize)
    }

    /// Samples of several data sets, in proportion to their weights. Each begins anew when it is used up, on its own.
    ///
    /// - Throws: `ApusError` if a data set has fewer tokens than one sample or a weight is not positive.
    public init(
        blend: [Component], sequenceLength: Int, seed: UInt64, shuffled: Bool = true, vocabularySize: Int? = nil
    ) throws {
        guard sequenceLength > 0 else {
            throw ApusError("sampling tokens", "expected a sequence length of at least 1, found \(sequenceLength)")
        }
        parts = try blend.enumerated().map { index, component in
            let tokens = component.dataset.tokenCount
            guard tokens > sequenceLength else {
                throw ApusError(
                    "sampling \(component.dataset.path)",
                    "a sample of \(sequenceLength) tokens and their targets needs \(sequenceLength + 1) tokens, "
                        + "found \(tokens)",
                    remedy: "use more text, or a shorter sequence length")
            }
            return Part(
                dataset: component.dataset, sampleCount: (tokens - 1) / sequenceLength,
                key: Mix.combine(seed, UInt64(index)))
        }
        schedule = blend.count == 1 ? nil : try BlendSchedule(weights: blend.map(\.weight))
        sampleCount = parts.reduce(0) { $0 + $1.sampleCount }
        self.sequenceLength = sequenceLength
        self.seed = seed
        self.shuffled = shuffled
        self.vocabularySize = vocabularySize
    }

    /// Fills `destination` with a sample: `sequenceLength + 1` tokens.
    ///
    /// - Parameter globalIndex: counts all samples since the run began, over all ranks and passes.
    /// - Throws: `ApusError` naming file and position of a token that is none, or is outside the vocabulary.
    public func copySample(at globalIndex: UInt64, into destination: UnsafeMutableBufferPointer<Int32>) throws {
        precondition(
            destination.count == sequenceLength + 1,
            "a sample has \(sequenceLength + 1) tokens, the destination \(destination.count)")
        try copyTokens(ofSample: globalIndex, from: 0, into: destination)
    }

    /// Fills `destination` with the tokens of a sample from `offset` on; of no others is anything read.
    ///
    /// - Throws: as ``copySample(at:into:)`` does.
    public func copyTokens(
        ofSample globalIndex: UInt64, from offset: Int, into destination: UnsafeMutableBufferPointer<Int32>
    ) throws {
        precondition(
            offset >= 0 && offset + destination.count <= sequenceLength + 1,
            "a sample has \(sequenceLength + 1) tokens, asked for \(destination.count) from \(offset) on")
        let (dataset, start) = source(of: globalIndex)
        try dataset.copyTokens(from: start + offset, into: destination)
        if let vocabularySize {
            try dataset.check(destination, from: start + offset, vocabularySize: vocabularySize)
        }
    }

    /// The data set that a sample comes from, and its first token there.
    func source(of globalIndex: UInt64) -> (dataset: any TokenDataset, start: Int) {
        let (component, index) = schedule?.assignment(of: globalIndex) ?? (0, globalIndex)
        let part = parts[component]
        return (part.dataset, position(of: index, in: part) * sequenceLength)
    }

    /// How many times all samples have been used up before the one at `globalIndex`.
    public func epoch(at globalIndex: UInt64) -> UInt64 { globalIndex / UInt64(sampleCount) }

    /// The sample at `globalIndex`.
    public func sample(at globalIndex: UInt64) throws -> [Int32] {
        try [Int32](unsafeUninitializedCapacity: sequenceLength + 1) { buffer, count in
            try copySample(
                at: globalIndex, into: UnsafeMutableBufferPointer(rebasing: buffer[..<(sequenceLength + 1)]))
            count = sequenceLength + 1
        }
    }

    /// Which of a data set's samples its `index`-th one is, over all passes.
    private func position(of index: UInt64, in part: Part) -> Int {
        let (epoch, inEpoch) = index.quotientAndRemainder(dividingBy: UInt64(part.sampleCount))
        guard shuffled else { return Int(inEpoch) }
        return KeyedPermutation(count: part.sampleCount, key: Mix.combine(part.key, epoch))[Int(inEpoch)]
    }
}
