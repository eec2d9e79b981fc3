import Foundation
import Numerics

/// Encodes text with a ``ByteLevelBPE`` on one thread, remembering the pre-tokens it has met.
final class BytePairEncoder: TokenEncoder {
    private let model: ByteLevelBPE
    /// Looked for in the text as given, and in the normalized text between those found.
    private let rawMatcher: SpecialTokenMatcher
    private let normalizedMatcher: SpecialTokenMatcher
    private var cache: PreTokenCache
    private var workspace = MergeWorkspace()
    private var output = TokenOutput()
    /// A byte of the text that the vocabulary has no token for.
    private var missingByte: UInt8?

    /// - Parameter cacheCapacity: pre-tokens to remember, a power of two; the default takes 2 MiB, of which the part
    ///   that everyday words use stays in a core's own cache.
    init(_ model: ByteLevelBPE, allowedSpecial: AllowedSpecialTokens, cacheCapacity: Int = 1 << 16) {
        self.model = model
        let matched = model.addedTokens.filter { !$0.isSpecial || allowedSpecial.allows($0.text) }
        rawMatcher = SpecialTokenMatcher(
            matched.filter { !$0.isNormalized }.map { (bytes: Array($0.text.utf8), token: $0.token) })
        normalizedMatcher = SpecialTokenMatcher(
            matched.filter { $0.isNormalized }.map {
                let text = model.normalization == .nfc ? $0.text.precomposedStringWithCanonicalMapping : $0.text
                return (bytes: Array(text.utf8), token: $0.token)
            })
        cache = PreTokenCache(capacity: cacheCapacity)
    }

    func encode(_ text: UnsafeBufferPointer<UInt8>, into tokens: inout [Int32]) throws {
        let countBefore = tokens.count
        output.begin(&tokens)
        rawMatcher.forEachPiece(of: text) { piece in
            switch piece {
            case .token(let token): output.append(token)
            case .text(let text): encodeNormalizing(text)
            }
        }
        output.finish(&tokens)
        if let byte = missingByte {
            missingByte = nil
            tokens.removeSubrange(countBefore...)
            throw ApusError(
                "encoding text", "the vocabulary has no token for the byte 0x\(String(byte, radix: 16))",
                remedy: "it does not occur in UTF-8: convert the text, or use a tokenizer that has all 256 bytes.")
        }
    }

    private func encodeNormalizing(_ text: UnsafeBufferPointer<UInt8>) {
        if model.normalization == .nfc, var normalized = Self.composed(text) {
            normalized.withUTF8 { encodeNormalized($0) }
        } else {
            encodeNormalized(text)
        }
    }

    private func encodeNormalized(_ text: UnsafeBufferPointer<UInt8>) {
        normalizedMatcher.forEachPiece(of: text) { piece in
            switch piece {
            case .token(let token): output.append(token)
            case .text(let text):
                model.preTokenizer.forEachPreToken(in: text) { encodePreToken(text, $0, $1) }
            }
        }
    }

    @inline(__always)
    private func encodePreToken(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
        let key = PreTokenKey(text, start, end)
        if !cache.append(key, text, start, end, to: &output) { merge(key, text, start, end) }
    }

    @inline(never)
    private func merge(_ key: PreTokenKey, _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
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

    /// `text` in canonical composition; nil if it is that already, or isn't UTF-8.
    private static func composed(_ text: UnsafeBufferPointer<UInt8>) -> String? {
        // Nothing below U+0300, whose first byte is 0xCC, combines with what precedes it.
        guard text.contains(where: { $0 >= 0xCC }) else { return nil }
        return String(validating: text, as: UTF8.self)?.precomposedStringWithCanonicalMapping
    }
}
