/// Every byte is a token, with the byte's value as id; special tokens follow from 256 on. Nothing to train, a vocabulary
/// as small as can be, and long sequences.
public struct ByteTokenizer: Tokenizer, Hashable, Sendable {
    public let specialTokens: [SpecialToken]

    public var vocabularySize: Int { 256 + specialTokens.count }

    /// - Throws: `ApusError` if a special token is empty or given twice.
    public init(specialTokens: [String] = ["<|endoftext|>"]) throws {
        self.specialTokens = try SpecialToken.numbered(specialTokens, from: 256)
    }

    public func bytes(of token: Int32) -> [UInt8]? {
        switch token {
        case 0..<256: [UInt8(token)]
        case 256..<Int32(vocabularySize): Array(specialTokens[Int(token) - 256].text.utf8)
        default: nil
        }
    }

    public func token(for bytes: [UInt8]) -> Int32? {
        bytes.count == 1 ? Int32(bytes[0]) : nil
    }

    public func makeEncoder(allowedSpecial: AllowedSpecialTokens) -> any TokenEncoder {
        Encoder(matcher: SpecialTokenMatcher(specialTokens, allowed: allowedSpecial))
    }

    private final class Encoder: TokenEncoder {
        private let matcher: SpecialTokenMatcher

        init(matcher: SpecialTokenMatcher) {
            self.matcher = matcher
        }

        func encode(_ text: UnsafeBufferPointer<UInt8>, into tokens: inout [Int32]) {
            matcher.forEachPiece(of: text) { piece in
                switch piece {
                case .text(let text): tokens.append(contentsOf: text.lazy.map { Int32($0) })
                case .token(let token): tokens.append(token)
                }
            }
        }
    }
}
