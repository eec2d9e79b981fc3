import Numerics

/// Every character (Unicode scalar) of a training text is a token; for teaching, and for small alphabets.
///
/// Ids are the characters in ascending order, then the special tokens.
public struct CharacterTokenizer: Tokenizer, Hashable, Sendable {
    /// The characters, ascending; the position of each is its id.
    public let characters: [Unicode.Scalar]
    public let specialTokens: [SpecialToken]
    /// The special token that stands for characters that the training text didn't have; nil to refuse them.
    public let unknownToken: String?

    private let tokens: [Unicode.Scalar: Int32]

    public var vocabularySize: Int { characters.count + specialTokens.count }

    /// - Parameters:
    ///   - characters: in any order; each counts once.
    ///   - unknownToken: one of `specialTokens`.
    /// - Throws: `ApusError` if there are no characters, a special token is empty or given twice, or `unknownToken` is
    ///   not among them.
    public init(
        characters: some Sequence<Unicode.Scalar>, specialTokens: [String] = ["<|endoftext|>"],
        unknownToken: String? = nil
    ) throws {
        self.characters = Set(characters).sorted { $0.value < $1.value }
        guard !self.characters.isEmpty else {
            throw ApusError(
                "making a character tokenizer", "the text has no characters", remedy: "give a text that isn't empty.")
        }
        self.specialTokens = try SpecialToken.numbered(specialTokens, from: Int32(self.characters.count))
        if let unknownToken, !specialTokens.contains(unknownToken) {
            throw ApusError(
                "making a character tokenizer",
                "the token for unknown characters, '\(unknownToken)', is not among "
                    + "the special tokens: \(specialTokens.joined(separator: ", "))",
                remedy: "add it to the special tokens.")
        }
        self.unknownToken = unknownToken
        self.tokens = .init(uniqueKeysWithValues: self.characters.enumerated().map { ($1, Int32($0)) })
    }

    public func bytes(of token: Int32) -> [UInt8]? {
        guard 0..<vocabularySize ~= Int(token) else { return nil }
        if Int(token) < characters.count { return Array(UTF8.encode(characters[Int(token)])!) }
        return Array(specialTokens[Int(token) - characters.count].text.utf8)
    }

    public func token(for bytes: [UInt8]) -> Int32? {
        guard let text = String(validating: bytes, as: UTF8.self), text.unicodeScalars.count == 1 else { return nil }
        return tokens[text.unicodeScalars.first!]
    }

    public func makeEncoder(allowedSpecial: AllowedSpecialTokens) -> any TokenEncoder {
        Encoder(
            tokens: tokens, unknown: unknownToken.flatMap { specialToken($0) },
            matcher: SpecialTokenMatcher(specialTokens, allowed: allowedSpecial))
    }

    private final class Encoder: TokenEncoder {
        private let tokens: [Unicode.Scalar: Int32]
        /// The tokens of ASCII, -1 for none: most text needs no hashing.
        private let asciiTokens: [Int32]
        private let unknown: Int32?
        private let matcher: SpecialTokenMatcher

        init(tokens: [Unicode.Scalar: Int32], unknown: Int32?, matcher: SpecialTokenMatcher) {
            self.tokens = tokens
            self.asciiTokens = (0..<128).map { (byte: UInt8) in tokens[Unicode.Scalar(byte)] ?? -1 }
            self.unknown = unknown
            self.matcher = matcher
        }

        func encode(_ text: UnsafeBufferPointer<UInt8>, into output: inout [Int32]) throws {
            try matcher.forEachPiece(of: text) { piece in
                switch piece {
                case .token(let token): output.append(token)
                case .text(let piece):
                    try encodePiece(piece, at: piece.baseAddress! - text.baseAddress!, into: &output)
                }
            }
        }

        private func encodePiece(
            _ text: UnsafeBufferPointer<UInt8>, at offset: Int, into output: inout [Int32]
        ) throws {
            var position = 0
            var decoder = UTF8()
            var remaining = text.makeIterator()
            while position < text.count {
                switch decoder.decode(&remaining) {
                case .scalarValue(let scalar):
                    let known = scalar.value < 128 ? asciiTokens[Int(scalar.value)] : tokens[scalar] ?? -1
                    guard known >= 0 || unknown != nil else { throw unknownCharacter(scalar, at: offset + position) }
                    output.append(known >= 0 ? known : unknown!)
                    position += UTF8.width(scalar)
                case .error: throw notUTF8(at: offset + position)
                case .emptyInput: return
                }
            }
        }

        private func unknownCharacter(_ scalar: Unicode.Scalar, at offset: Int) -> ApusError {
            let code = String(scalar.value, radix: 16, uppercase: true)
            return ApusError(
                "encoding text",
                "the character '\(Character(scalar))' (U+\(String(repeating: "0", count: max(4 - code.count, 0)))\(code)) "
                    + "at byte \(offset) is not among the \(tokens.count) that the tokenizer was made from",
                remedy: "make the tokenizer from a text that has it, or with a token for unknown characters.")
        }

        private func notUTF8(at offset: Int) -> ApusError {
            ApusError(
                "encoding text", "the text is not UTF-8 at byte \(offset)",
                remedy: "a character tokenizer needs UTF-8; convert the text, or use a byte-level tokenizer.")
        }
    }
}
