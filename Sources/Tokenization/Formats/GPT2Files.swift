import Foundation
import Numerics

/// GPT-2's pair of files: the vocabulary as JSON (`vocab.json` or, at OpenAI, `encoder.json`) and the merges as lines of
/// text (`merges.txt` or `vocab.bpe`).
public enum GPT2Files {
    /// The names under which the two files go together.
    static let names: [(vocabulary: String, merges: String)] = [
        ("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"),
    ]

    /// Reads a tokenizer with GPT-2's split pattern. Entries of the vocabulary that no merge produces, such as
    /// `<|endoftext|>`, are its special tokens.
    ///
    /// - Throws: `ApusError` naming the file, the line, what was expected and what was found.
    public static func read(vocabulary: String, merges: String) throws -> ByteLevelBPE {
        guard let entries = try JSONParser.parse(readFile(vocabulary), source: vocabulary).members else {
            throw ApusError(
                "reading \(vocabulary)", "expected an object of token → id",
                remedy: "give GPT-2's vocab.json or encoder.json.")
        }
        let parts = try BytePairVocabulary(
            entries: entries, mergeLines: parseMerges(readFile(merges), source: merges), source: vocabulary)
        return try ByteLevelBPE(
            vocabulary: parts.tokens, merges: parts.merges,
            addedTokens: parts.unreachable.map { .init(text: $0.text, token: $0.token) }, source: vocabulary)
    }

    /// Writes `vocab.json` and `merges.txt` into a folder, which is made if it doesn't exist.
    ///
    /// - Throws: `ApusError` if the tokenizer does what these files can't say (another split pattern, normalization,
    ///   tokens that are matched always), or a file can't be written.
    public static func write(_ tokenizer: ByteLevelBPE, toFolder folder: String) throws {
        if let obstacle = obstacle(to: tokenizer) {
            throw ApusError(
                "writing GPT-2 vocabulary files",
                "the tokenizer can't be written as vocab.json and merges.txt: \(obstacle)",
                remedy: "write it as tokenizer.json.")
        }
        try writeFile(JSONWriter.write(tokenizer.vocabularyEntries), folder + "/" + names[0].vocabulary)
        let lines = ["#version: 0.2"] + tokenizer.mergeLines
        try writeFile(Array((lines.joined(separator: "\n") + "\n").utf8), folder + "/" + names[0].merges)
    }

    /// What these files can't say of a tokenizer.
    private static func obstacle(to tokenizer: ByteLevelBPE) -> String? {
        if tokenizer.preTokenizer != .gpt2 { return "its split pattern is not GPT-2's" }
        if tokenizer.normalization != .none { return "it normalizes text" }
        if let token = tokenizer.addedTokens.first(where: { !$0.isSpecial }) {
            return "'\(token.text)' is matched in text although it is not a special token"
        }
        if tokenizer.ignoresMerges { return "it ignores merges for words of the vocabulary" }
        if !tokenizer.prefix.isEmpty || !tokenizer.suffix.isEmpty { return "it puts tokens around texts" }
        return nil
    }

    private static func parseMerges(
        _ bytes: [UInt8], source: String
    ) throws -> [(left: Substring, right: Substring, place: String)] {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ApusError("reading \(source)", "the file is not UTF-8", remedy: "the file is damaged; get it again.")
        }
        var merges: [(left: Substring, right: Substring, place: String)] = []
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            // Only the first line can be the version: `# #` is a merge like any other.
            if line.isEmpty || index == 0 && Substring(line).hasPrefix("#version") { continue }
            let halves = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else {
                throw ApusError(
                    "reading \(source)",
                    "line \(index + 1): expected two tokens with a space between, found '\(Substring(line).prefix(80))'",
                    remedy: "give GPT-2's merges.txt or vocab.bpe.")
            }
            merges.append((Substring(halves[0]), Substring(halves[1]), "\(source), line \(index + 1)"))
        }
        return merges
    }
}
