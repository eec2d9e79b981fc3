import Numerics

/// The file of character and byte tokenizers: a `type`, and what it takes to make the tokenizer again.
enum TeachingTokenizerFile {
    private static let characterType = "apus.character"
    private static let byteType = "apus.byte"

    static func write(_ tokenizer: CharacterTokenizer) -> JSONValue {
        [
            "type": .string(characterType),
            "characters": .array(tokenizer.characters.map { .string(String(Character($0))) }),
            "specialTokens": .array(tokenizer.specialTokens.map { .string($0.text) }),
            "unknownToken": tokenizer.unknownToken.map { .string($0) } ?? .null,
        ]
    }

    static func write(_ tokenizer: ByteTokenizer) -> JSONValue {
        [
            "type": .string(byteType),
            "specialTokens": .array(tokenizer.specialTokens.map { .string($0.text) }),
        ]
    }

    /// - Returns: nil if the document is not one of these.
    static func read(_ root: JSONValue, source: String) throws -> (any Tokenizer)? {
        switch root["type"]?.string {
        case byteType:
            return try ByteTokenizer(specialTokens: strings(root, "specialTokens", source))
        case characterType:
            let characters = try strings(root, "characters", source).enumerated().map { index, text in
                guard text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first else {
                    throw malformed(source, "characters[\(index)]: expected one character, found '\(text.prefix(40))'")
                }
                return scalar
            }
            guard Set(characters).count == characters.count else {
                throw malformed(source, "characters: expected each character once, found one twice")
            }
            return try CharacterTokenizer(
                characters: characters, specialTokens: strings(root, "specialTokens", source),
                unknownToken: root["unknownToken"]?.string)
        default: return nil
        }
    }

    private static func strings(_ root: JSONValue, _ name: String, _ source: String) throws -> [String] {
        guard let values = root[name]?.array else {
            throw malformed(source, "\(name): expected an array of strings, found \(root[name]?.shown ?? "nothing")")
        }
        return try values.enumerated().map { index, value in
            guard let text = value.string else {
                throw malformed(source, "\(name)[\(index)]: expected a string, found \(value.shown)")
            }
            return text
        }
    }

    private static func malformed(_ source: String, _ problem: String) -> ApusError {
        ApusError("reading \(source)", problem, remedy: "make the tokenizer again with 'apus tokenizer train'.")
    }
}
