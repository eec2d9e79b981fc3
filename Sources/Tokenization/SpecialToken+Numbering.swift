import Numerics

extension SpecialToken {
    /// Special tokens with consecutive ids.
    ///
    /// - Throws: `ApusError` if a text is empty or comes twice.
    static func numbered(_ texts: [String], from first: Int32) throws -> [SpecialToken] {
        var seen: Set<String> = []
        return try texts.enumerated().map { index, text in
            guard !text.isEmpty else {
                throw ApusError(
                    "making a tokenizer", "special token \(index + 1) is empty",
                    remedy: "give it a text, for example \"<|endoftext|>\".")
            }
            guard seen.insert(text).inserted else {
                throw ApusError(
                    "making a tokenizer", "the special token '\(text)' is given twice", remedy: "name each once.")
            }
            return SpecialToken(text: text, token: first + Int32(index))
        }
    }
}

extension SpecialTokenMatcher {
    init(_ tokens: [SpecialToken], allowed: AllowedSpecialTokens) {
        self.init(tokens.filter { allowed.allows($0.text) }.map { (bytes: Array($0.text.utf8), token: $0.token) })
    }
}
