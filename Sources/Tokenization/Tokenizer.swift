import Numerics

/// A text that has a token of its own, such as `<|endoftext|>`.
public struct SpecialToken: Hashable, Sendable {
    public var text: String
    public var token: Int32

    public init(text: String, token: Int32) {
        self.text = text
        self.token = token
    }
}

/// Which special tokens are recognised when they are spelled out in a text.
///
/// Corpora and prompts come from strangers, so the default everywhere is `none`: the characters of `<|endoftext|>` in a
/// document are then ordinary text and can't end it.
public enum AllowedSpecialTokens: Hashable, Sendable {
    case none
    case all
    case only(Set<String>)

    package func allows(_ text: String) -> Bool {
        switch self {
        case .none: false
        case .all: true
        case .only(let texts): texts.contains(text)
        }
    }
}

/// Turns text into token ids and back. A tokenizer is immutable and may be used from any number of threads; encoding
/// goes through a ``TokenEncoder``, of which each thread has its own.
public protocol Tokenizer: Sendable {
    /// The largest token id + 1: the rows that a model's embedding needs.
    var vocabularySize: Int { get }

    /// Tokens that stand for themselves rather than for text, by ascending id.
    var specialTokens: [SpecialToken] { get }

    /// The bytes that `token` stands for, or nil if the vocabulary has no such id.
    func bytes(of token: Int32) -> [UInt8]?

    /// The token whose bytes are exactly these. Special tokens are found by ``specialToken(_:)`` instead.
    func token(for bytes: [UInt8]) -> Int32?

    /// A new encoder with its own scratch memory and cache.
    func makeEncoder(allowedSpecial: AllowedSpecialTokens) -> any TokenEncoder
}

/// Encodes one text after another on one thread.
public protocol TokenEncoder: AnyObject {
    /// Appends the tokens of `text` to `tokens`. The bytes need not be UTF-8.
    ///
    /// - Throws: `ApusError` if the text has a character that the tokenizer has no token for; byte-level tokenizers
    ///   have one for everything and never throw.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into tokens: inout [Int32]) throws
}

extension TokenEncoder {
    /// The tokens of `text`.
    public func encode(_ text: [UInt8]) throws -> [Int32] {
        var tokens: [Int32] = []
        try text.withUnsafeBufferPointer { try encode($0, into: &tokens) }
        return tokens
    }

    /// The tokens of `text`.
    public func encode(_ text: String) throws -> [Int32] {
        var text = text
        var tokens: [Int32] = []
        try text.withUTF8 { try encode($0, into: &tokens) }
        return tokens
    }
}

extension Tokenizer {
    /// The token that ends a document: the special token with one of the usual names, if there is one.
    public var endOfText: Int32? {
        for name in ["<|endoftext|>", "<|end_of_text|>", "<|eos|>", "<eos>", "</s>"] {
            if let token = specialToken(name) { return token }
        }
        return nil
    }

    /// The id of the special token that is written `text`.
    public func specialToken(_ text: String) -> Int32? {
        specialTokens.first { $0.text == text }?.token
    }

    public func makeEncoder() -> any TokenEncoder {
        makeEncoder(allowedSpecial: .none)
    }

    /// The tokens of one text. To encode many, keep an encoder: it remembers what it has seen.
    public func encode(_ text: [UInt8], allowedSpecial: AllowedSpecialTokens = .none) throws -> [Int32] {
        try makeEncoder(allowedSpecial: allowedSpecial).encode(text)
    }

    /// The tokens of one text. To encode many, keep an encoder: it remembers what it has seen.
    public func encode(_ text: String, allowedSpecial: AllowedSpecialTokens = .none) throws -> [Int32] {
        try makeEncoder(allowedSpecial: allowedSpecial).encode(text)
    }

    /// The bytes that `tokens` stand for, special tokens as they are written.
    ///
    /// - Throws: `ApusError` naming the first id that the vocabulary doesn't have, and its position.
    public func decode(_ tokens: some Sequence<Int32>) throws -> [UInt8] {
        var decoded: [UInt8] = []
        for (position, token) in tokens.enumerated() {
            guard let bytes = bytes(of: token) else { throw unknownToken(token, position: position) }
            decoded += bytes
        }
        return decoded
    }

    /// The text that `tokens` stand for; bytes that aren't UTF-8 become U+FFFD.
    public func decodeText(_ tokens: some Sequence<Int32>) throws -> String {
        String(decoding: try decode(tokens), as: UTF8.self)
    }

    package func unknownToken(_ token: Int32, position: Int) -> ApusError {
        ApusError(
            "decoding tokens",
            "token \(token) at position \(position) is not in the vocabulary, whose ids are 0 to \(vocabularySize - 1)",
            remedy: "decode with the tokenizer that made the tokens.")
    }
}
