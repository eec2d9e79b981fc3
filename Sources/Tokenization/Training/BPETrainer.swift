import Numerics

/// What a byte-pair tokenizer is trained to be.
public struct BPETrainerConfiguration: Hashable, Sendable {
    /// Tokens in all: 256 bytes, special tokens, and the rest merges.
    public var vocabularySize: Int
    public var specialTokens: [String]
    /// Pairs that come less often in the corpus are not merged.
    public var minimumCount: Int
    public var preTokenizer: PreTokenizer

    public init(
        vocabularySize: Int, specialTokens: [String] = ["<|endoftext|>"], minimumCount: Int = 2,
        preTokenizer: PreTokenizer = .gpt2
    ) {
        self.vocabularySize = vocabularySize
        self.specialTokens = specialTokens
        self.minimumCount = minimumCount
        self.preTokenizer = preTokenizer
    }
}

/// Trains a byte-level byte-pair tokenizer: again and again, the pair of adjacent tokens that is the most frequent in the
/// corpus becomes a token (Sennrich et al. 2016, over bytes as in GPT-2).
///
/// Among equally frequent pairs, the one with the smallest ids is taken: the left token's first, then the right's. Counts
/// are exact sums, so the result is the same for any number of threads and any order of the documents. The ids are those
/// of GPT-2's vocabulary: bytes in the order of their characters in the byte-level alphabet, then merges as they were
/// found, then special tokens. With equal settings, the merges are those of Hugging Face's trainer.
///
/// Special tokens that are spelled out in a document end pre-tokens and are not counted.
public final class BPETrainer {
    private let configuration: BPETrainerConfiguration
    private let pool: ThreadPool
    private let specialTokens: SpecialTokenMatcher
    private let counters: [Counter]

    /// Documents that have been added but not yet counted, one after another, and where each ends.
    private var pending: [UInt8] = []
    private var pendingEnds: [Int] = []

    /// Bytes of the documents added.
    public private(set) var byteCount = 0
    public private(set) var documentCount = 0

    private static let batchBytes = 8 << 20
    private static let chunkBytes = 256 << 10

    /// One thread's counts, padded by being an object of its own.
    private final class Counter: @unchecked Sendable {
        var table = PreTokenCounter()
    }

    /// - Throws: `ApusError` if the vocabulary can't hold the bytes and the special tokens, or these are wrong.
    public init(_ configuration: BPETrainerConfiguration, pool: ThreadPool) throws {
        let smallest = 256 + configuration.specialTokens.count
        guard smallest...Int(ByteLevelBPE.largestToken) ~= configuration.vocabularySize else {
            throw ApusError(
                "training a tokenizer",
                "a vocabulary of \(configuration.vocabularySize) tokens was asked for; expected \(smallest) (256 bytes and "
                    + "\(configuration.specialTokens.count) special tokens) to \(ByteLevelBPE.largestToken)",
                remedy: "ask for at least \(smallest) tokens; 8192 suit a small corpus.")
        }
        let special = try SpecialToken.numbered(configuration.specialTokens, from: 0)
        self.configuration = configuration
        self.pool = pool
        specialTokens = SpecialTokenMatcher(special, allowed: .all)
        counters = (0..<pool.threadCount).map { _ in Counter() }
    }

    /// Adds a document to the corpus. Documents are counted on all threads once a few megabytes have come together.
    public func add(_ document: UnsafeBufferPointer<UInt8>) {
        byteCount += document.count
        documentCount += 1
        if document.count >= Self.batchBytes {
            count(document, ends: [document.count])
            return
        }
        pending.append(contentsOf: document)
        pendingEnds.append(pending.count)
        if pending.count >= Self.batchBytes { countPending() }
    }

    public func add(_ document: [UInt8]) {
        document.withUnsafeBufferPointer { add($0) }
    }

    /// Finds the merges.
    ///
    /// - Throws: `ApusError` if no document had any text.
    public func train() throws -> ByteLevelBPE {
        countPending()
        guard byteCount > 0 else {
            throw ApusError(
                "training a tokenizer", "the corpus of \(documentCount) documents has no text",
                remedy: "give at least one document that isn't empty.")
        }
        var total = PreTokenCounter()
        for counter in counters { total.add(counter.table) }

        var vocabulary = TokenBytes()
        for (token, byte) in ByteLevelAlphabet.bytesInOrder.enumerated() {
            vocabulary.insert(CollectionOfOne(byte), as: Int32(token), findable: true)
        }
        let merges = findMerges(total, &vocabulary)
        let special = try SpecialToken.numbered(configuration.specialTokens, from: Int32(vocabulary.count))
        return try ByteLevelBPE(
            vocabulary: (0..<Int32(vocabulary.count)).map { (Array(vocabulary[$0]!), $0) }, merges: merges,
            addedTokens: special.map { .init(text: $0.text, token: $0.token) },
            preTokenizer: configuration.preTokenizer, source: "the trained vocabulary")
    }

    /// Why a trained tokenizer is smaller than asked for, if it is.
    public func warning(for tokenizer: ByteLevelBPE) -> String? {
        guard tokenizer.vocabularySize < configuration.vocabularySize else { return nil }
        return "the corpus of \(byteCount) bytes gives \(tokenizer.vocabularySize) tokens instead of "
            + "\(configuration.vocabularySize): no pair comes \(configuration.minimumCount) times any more. "
            + "Give more text, or ask for a smaller vocabulary."
    }

    // MARK: Counting

    private func countPending() {
        pending.withUnsafeBufferPointer { count($0, ends: pendingEnds) }
        pending.removeAll(keepingCapacity: true)
        pendingEnds.removeAll(keepingCapacity: true)
    }

    /// Counts the pre-tokens of documents on all threads, in chunks whose bounds change nothing.
    private func count(_ text: UnsafeBufferPointer<UInt8>, ends: [Int]) {
        var chunks: [UnsafeBufferPointer<UInt8>] = []
        var start = 0
        for end in ends {
            specialTokens.forEachPiece(of: UnsafeBufferPointer(rebasing: text[start..<end])) { piece in
                guard case .text(var rest) = piece else { return }
                while rest.count > Self.chunkBytes {
                    let cut = configuration.preTokenizer.safeCut(in: rest, after: Self.chunkBytes)
                    chunks.append(UnsafeBufferPointer(rebasing: rest[..<cut]))
                    rest = UnsafeBufferPointer(rebasing: rest[cut...])
                }
                chunks.append(rest)
            }
            start = end
        }
        // Documents may be as short as a line: tiles of many keep the threads from queueing for each.
        let work = chunks
        pool.forEachRange(work.count, tileSize: max(1, work.count / (pool.threadCount * 32))) { range, thread in
            for index in range { counters[thread].table.addPreTokens(of: work[index], configuration.preTokenizer) }
        }
    }

    // MARK: Merging

    /// A pair on its way to being merged, ordered so that the smallest is the next to merge.
    private struct Candidate: Comparable {
        var count: Int
        var pair: TokenPair
        var slot: Int32

        static func < (first: Candidate, second: Candidate) -> Bool {
            first.count != second.count ? first.count > second.count : first.pair < second.pair
        }
    }

    private func findMerges(
        _ corpus: borrowing PreTokenCounter, _ vocabulary: inout TokenBytes
    ) -> [(pair: TokenPair, token: Int32)] {
        var tokenOfByte = [Int32](repeating: 0, count: 256)
        for (token, byte) in ByteLevelAlphabet.bytesInOrder.enumerated() { tokenOfByte[Int(byte)] = Int32(token) }
        var statistics = PairStatistics(corpus, tokenOfByte: tokenOfByte)
        var candidates: [Candidate] = []
        var merges: [(pair: TokenPair, token: Int32)] = []

        func pushRisen() {
            for slot in statistics.takeRisen() {
                let count = statistics.counts[Int(slot)]
                guard count >= configuration.minimumCount, count > 0 else { continue }
                candidates.pushMinimum(Candidate(count: count, pair: statistics.pairs[Int(slot)], slot: slot))
            }
        }

        pushRisen()
        let size = configuration.vocabularySize - configuration.specialTokens.count
        while vocabulary.count < size, let candidate = candidates.popMinimum() {
            let count = statistics.counts[Int(candidate.slot)]
            if count != candidate.count {
                // Other merges took some of its places since it was pushed; it waits for its turn again.
                if count < candidate.count, count >= configuration.minimumCount, count > 0 {
                    candidates.pushMinimum(Candidate(count: count, pair: candidate.pair, slot: candidate.slot))
                }
                continue
            }
            let product = vocabulary[candidate.pair.left]! + vocabulary[candidate.pair.right]!
            // Another pair may have made the same bytes before: they stay one token.
            let known = vocabulary.token(for: product)
            let token = known ?? Int32(vocabulary.count)
            if known == nil { vocabulary.insert(product, as: token, findable: true) }
            // Only such a token can bring back a pair that has been merged away; its first place in the order counts.
            if known == nil || !merges.contains(where: { $0.pair == candidate.pair }) {
                merges.append((candidate.pair, token))
            }
            statistics.merge(candidate.slot, into: token)
            pushRisen()
        }
        return merges
    }
}
