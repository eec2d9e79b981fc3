import Numerics

/// Token ids as text: decimal numbers with blanks or commas between.
public enum TokenIdentifiers {
    /// - Throws: `ApusError` naming the first word that is no id, and its position.
    public static func parse(_ text: some StringProtocol) throws -> [Int32] {
        try text.split { $0.isWhitespace || $0 == "," }.enumerated().map { position, word in
            guard let token = Int32(word) else {
                throw ApusError(
                    "reading token ids", "expected a number at position \(position), found '\(word.prefix(40))'",
                    remedy: "give ids as decimal numbers with blanks between, as 'apus tokenizer encode' prints them.")
            }
            return token
        }
    }

    public static func format(_ tokens: [Int32]) -> String {
        tokens.map(String.init).joined(separator: " ")
    }
}
