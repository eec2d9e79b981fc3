/// Decodes tokens as they are generated. A token may end in the middle of a character; its bytes are held back until
/// the rest arrives, so that what is printed is always whole characters.
public struct StreamingDecoder {
    private let tokenizer: any Tokenizer
    private var pending: [UInt8] = []
    private var position = 0

    public init(_ tokenizer: any Tokenizer) {
        self.tokenizer = tokenizer
    }

    /// The text that can be shown now that `token` has arrived; empty while a character is incomplete.
    ///
    /// - Throws: `ApusError` if the vocabulary has no such id.
    public mutating func append(_ token: Int32) throws -> String {
        guard let bytes = tokenizer.bytes(of: token) else {
            throw tokenizer.unknownToken(token, position: position)
        }
        position += 1
        pending += bytes
        let whole = pending.count - Self.incompleteSuffixLength(pending)
        let text = String(decoding: pending[..<whole], as: UTF8.self)
        pending.removeFirst(whole)
        return text
    }

    /// What was held back, with U+FFFD for a character that never became complete.
    public mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many bytes at the end begin a character that more bytes could complete (0 to 3).
    private static func incompleteSuffixLength(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let lead = bytes[bytes.count - length]
            if lead & 0b1100_0000 == 0b1000_0000 { continue }
            let needed =
                switch lead {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 1
                }
            return needed > length ? length : 0
        }
        return 0
    }
}
