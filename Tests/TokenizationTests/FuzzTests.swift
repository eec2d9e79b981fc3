import Foundation
import TestSupport
import Testing
import Tokenization

/// Any bytes are a tokenizer or are refused in order.
@Suite struct FuzzTests {
    private static let words = [
        "\"vocab\"", "\"merges\"", "\"id\":", "\"Sequence\"", "\"Split\"", "\"NFC\"", "\"TemplateProcessing\"",
        "\"SpecialToken\"", "\"apus.byte\"", "\"apus.character\"", "null", "true", "\\u0000", "\\ud83d\\ude42",
        "\\ud800",
        "Ġ", "雨", ",", ":", "}", "]", "\"", "{\"type\":\"ByteLevel\"}",
    ]

    private func use(_ tokenizer: any Tokenizer) throws {
        // A vocabulary may lack what a text needs, and says so.
        guard let tokens = try? tokenizer.encode("The swift's <|endoftext|> 雨 \u{1F985}") else { return }
        _ = try? tokenizer.decodeText(tokens)
        _ = TokenizerFile.contents(tokenizer)
    }

    @Test func anyBytesAreATokenizerOrRefused() throws {
        var document = HuggingFaceDocument(merges: Array(HuggingFaceGoldens.merges.prefix(5)))
        document.add("<|endoftext|>", id: 261, isSpecial: true)
        let split = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
        document.split(by: split + #"\s*[\r\n]+|\s+(?!\S)|\s+"#)
        let samples = [
            document.bytes, TokenizerFile.contents(try ByteTokenizer()),
            TokenizerFile.contents(try CharacterTokenizer(characters: "abc雨".unicodeScalars, specialTokens: ["<|a|>"])),
        ]
        let taken = try fuzz("tokenizer", samples: samples, words: Self.words) {
            try use(try TokenizerFile.read($0, source: "tokenizer.json"))
        }
        #expect(taken > 0)
    }

    @Test func anyPairOfFilesIsAVocabularyOrRefused() throws {
        try withTemporaryFolder { folder in
            let tokenizer = try HuggingFaceDocument(merges: Array(HuggingFaceGoldens.merges.prefix(20))).read()
            try GPT2Files.write(tokenizer, toFolder: folder.path)
            let (vocabulary, merges) = (folder.path + "/vocab.json", folder.path + "/merges.txt")
            for damaged in [vocabulary, merges] {
                let original = try Data(contentsOf: URL(fileURLWithPath: damaged))
                let name = damaged == vocabulary ? "vocabulary" : "merges"
                let taken = try fuzz(
                    name, samples: [Array(original)], words: Self.words + ["\r\n", "#version: 0.2", " "]
                ) {
                    try replaceFile(damaged, $0)
                    try use(try GPT2Files.read(vocabulary: vocabulary, merges: merges))
                }
                #expect(taken > 0)
                try original.write(to: URL(fileURLWithPath: damaged))
            }
        }
    }
}
