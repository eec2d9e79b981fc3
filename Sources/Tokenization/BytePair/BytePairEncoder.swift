import Numerics

/// Encodes text with a ``ByteLevelBPE`` on one thread, remembering the pre-tokens it has met.
final class BytePairEncoder: TokenEncoder {
    // A structure of its own, so that the runtime checks for exclusive access once a text and not once a pre-token.
    private var state: BytePairEncoding

    /// - Parameter cacheCapacity: pre-tokens to remember, a power of two; the default takes 2 MiB, of which the part
    ///   that everyday words use stays in a core's own cache.
    init(_ model: ByteLevelBPE, allowedSpecial: AllowedSpecialTokens, cacheCapacity: Int = 1 << 16) {
        state = BytePairEncoding(model, allowedSpecial: allowedSpecial, cacheCapacity: cacheCapacity)
    }

    func encode(_ text: UnsafeBufferPointer<UInt8>, into tokens: inout [Int32]) throws {
        try state.encode(text, into: &tokens)
    }
}

/// What an encoder owns: scratch memory, the cache, and matchers for the added tokens that it looks for.
private struct BytePairEncoding: ~Copyable {
    private let model: ByteLevelBPE
    /// Looked for in the text as given, and in the normalized text between those found.
    private let rawMatcher: SpecialTokenMatcher
    private let normalizedMatcher: SpecialTokenMatcher
    private var cache: PreTokenCache
    private var workspace = MergeWorkspace()
    private var output = TokenOutput()
    /// A byte of the text that the vocabulary has no token for.
    private var missingByte: UInt8?

    init(_ model: ByteLevelBPE, allowedSpecial: AllowedSpecialTokens, cacheCapacity: Int) {
        self.model = model
        let matched = model.addedTokens.filter { !$0.isSpecial || allowedSpecial.allows($0.text) }
        rawMatcher = SpecialTokenMatcher(
            matched.filter { !$0.isNormalized }.map { (bytes: Array($0.text.utf8), token: $0.token) })
        normalizedMatcher = SpecialTokenMatcher(
            matched.filter { $0.isNormalized }.map { added in
                let bytes = Array(added.text.utf8)
                let composed = bytes.withUnsafeBufferPointer { CanonicalComposition.compose($0) }
                return (model.normalization == .nfc ? composed ?? bytes : bytes, added.token)
            })
        cache = PreTokenCache(capacity: cacheCapacity)
    }

    mutating func encode(_ text: UnsafeBufferPointer<UInt8>, into tokens: inout [Int32]) throws {
        let countBefore = tokens.count
        output.begin(&tokens)
        let matcher = rawMatcher
        matcher.forEachPiece(of: text) { piece in
            switch piece {
            case .token(let token): output.append(token)
            case .text(let text): encodeNormalizing(text)
            }
        }
        output.finish(&tokens)
        guard let missingByte else { return }
        self.missingByte = nil
        tokens.removeSubrange(countBefore...)
        throw ApusError(
            "encoding text", "the vocabulary has no token for the byte 0x\(String(missingByte, radix: 16))",
            remedy: "it does not occur in UTF-8: convert the text, or use a tokenizer that has all 256 bytes.")
    }

    private mutating func encodeNormalizing(_ text: UnsafeBufferPointer<UInt8>) {
        if model.normalization == .nfc, let composed = CanonicalComposition.compose(text) {
            composed.withUnsafeBufferPointer { encodeNormalized($0) }
        } else {
            encodeNormalized(text)
        }
    }

    private mutating func encodeNormalized(_ text: UnsafeBufferPointer<UInt8>) {
        let matcher = normalizedMatcher
        let preTokenizer = model.preTokenizer
        matcher.forEachPiece(of: text) { piece in
            switch piece {
            case .token(let token): output.append(token)
            case .text(let text): preTokenizer.forEachPreToken(in: text) { encodePreToken(text, $0, $1) }
            }
        }
    }

    @inline(__always)
    private mutating func encodePreToken(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
        let key = PreTokenKey(text, start, end)
        if !cache.append(key, text, start, end, to: &output) { merge(key, text, start, end) }
    }

    @inline(never)
    private mutating func merge(_ key: PreTokenKey, _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
        let bytes = UnsafeBufferPointer(rebasing: text[start..<end])
        if model.ignoresMerges, let token = model.tokens.token(for: bytes) {
            output.append(token)
            withUnsafePointer(to: token) {
                cache.insert(key, text, start, end, tokens: UnsafeBufferPointer(start: $0, count: 1))
            }
            return
        }
        if let missing = bytes.first(where: { model.byteTokens[Int($0)] < 0 }) {
            missingByte = missing
            return
        }
        workspace.withMerged(bytes, byteTokens: model.byteTokens, table: model.mergeTable) { tokens in
            for token in tokens { output.append(token) }
            cache.insert(key, text, start, end, tokens: tokens)
        }
    }
}
