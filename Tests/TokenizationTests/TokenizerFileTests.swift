import Foundation
import Numerics
import Testing
import Tokenization

@Suite struct TokenizerFileTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    private func trained() throws -> ByteLevelBPE {
        let trainer = try BPETrainer(.init(vocabularySize: 320), pool: ThreadPool(threadCount: 1))
        trainer.add(Array(HuggingFaceGoldens.trainingText.utf8))
        return try trainer.train()
    }

    @Test func everyKindComesBackFromItsFile() throws {
        let tokenizers: [any Tokenizer] = [
            try trained(), try ByteTokenizer(specialTokens: ["<|a|>", "\"quoted\"\n\u{1}\\"]),
            try CharacterTokenizer(
                characters: "\n\t\"\\ab雨🦅".unicodeScalars, specialTokens: ["<|u|>"], unknownToken: "<|u|>"),
        ]
        try withFolder { folder in
            for tokenizer in tokenizers {
                let path = try TokenizerFile.save(tokenizer, to: folder + "/new/folder")
                #expect(path.hasSuffix("/new/folder/tokenizer.json"))
                for place in [path, folder + "/new/folder"] {
                    let loaded = try TokenizerFile.load(place)
                    #expect(type(of: loaded) == type(of: tokenizer))
                    #expect(loaded.vocabularySize == tokenizer.vocabularySize)
                    #expect(loaded.specialTokens == tokenizer.specialTokens)
                    for token in 0..<Int32(tokenizer.vocabularySize) {
                        #expect(loaded.bytes(of: token) == tokenizer.bytes(of: token))
                    }
                    #expect(try loaded.encode("ab\"ab") == tokenizer.encode("ab\"ab"))
                    #expect(TokenizerFile.contents(loaded) == TokenizerFile.contents(tokenizer))
                }
            }
        }
    }

    @Test func gpt2FilesComeBackUnderBothNames() throws {
        let tokenizer = try trained()
        try withFolder { folder in
            try GPT2Files.write(tokenizer, toFolder: folder)
            let merges = try String(contentsOfFile: folder + "/merges.txt", encoding: .utf8)
            #expect(merges.hasPrefix("#version: 0.2\nĠ Ġ\nh e\n"))
            let loaded = try TokenizerFile.load(folder)
            #expect(TokenizerFile.contents(loaded) == TokenizerFile.contents(tokenizer))
            for (from, to) in [("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")] {
                try FileManager.default.moveItem(atPath: folder + "/" + from, toPath: folder + "/" + to)
            }
            for path in [folder, folder + "/encoder.json", folder + "/vocab.bpe"] {
                #expect(TokenizerFile.contents(try TokenizerFile.load(path)) == TokenizerFile.contents(tokenizer))
            }
        }
    }

    @Test func bothFormsOfMergesAreRead() throws {
        var document = HuggingFaceDocument()
        document.setModel("merges", HuggingFaceGoldens.merges.map { $0.split(separator: " ").map(String.init) })
        let pairs = try document.read()
        #expect(TokenizerFile.contents(pairs) == TokenizerFile.contents(try HuggingFaceDocument().read()))
    }

    @Test func mergesMayBeginWithANumberSign() throws {
        let tokenizer = try HuggingFaceDocument(merges: ["# #", "## ##"]).read()
        try withFolder { folder in
            try GPT2Files.write(tokenizer, toFolder: folder)
            #expect(try TokenizerFile.load(folder).encode("####") == tokenizer.encode("####"))
            // OpenAI's file has the version line, others begin at once.
            try "# #\n## ##\n".write(toFile: folder + "/merges.txt", atomically: true, encoding: .utf8)
            #expect(try TokenizerFile.load(folder).encode("####") == [257])
        }
    }

    @Test func tokensAroundTextsAreKept() throws {
        var document = HuggingFaceDocument()
        document.add("<s>", id: 356, isSpecial: true)
        document.add("</s>", id: 357, isSpecial: true)
        func special(_ text: String) -> [String: Any] { ["SpecialToken": ["id": text, "type_id": 0] as [String: Any]] }
        document.root["post_processor"] = [
            "type": "TemplateProcessing",
            "single": [special("<s>"), ["Sequence": ["id": "A", "type_id": 0] as [String: Any]], special("</s>")],
            "pair": [Any](), "special_tokens": [String: Any](),
        ]
        let tokenizer = try document.read()
        let again = try TokenizerFile.read(TokenizerFile.contents(tokenizer), source: "written") as? ByteLevelBPE
        for tokenizer in [tokenizer, again] {
            #expect(tokenizer?.prefix == [356])
            #expect(tokenizer?.suffix == [357])
        }
        try withFolder { folder in
            #expect(throws: ApusError.self) { try GPT2Files.write(tokenizer, toFolder: folder) }
        }
    }

    @Test func bytesThatAVocabularyLeavesOutAreNamedWhenTheyCome() throws {
        var document = HuggingFaceDocument(merges: [])
        var vocabulary = (document.root["model"] as! [String: Any])["vocab"] as! [String: Int]
        vocabulary["À"] = nil
        document.setModel("vocab", vocabulary)
        let encoder = try document.read().makeEncoder()
        var tokens: [Int32] = [1]
        let error = #expect(throws: ApusError.self) {
            try ([65, 0xC0] as [UInt8]).withUnsafeBufferPointer { try encoder.encode($0, into: &tokens) }
        }
        #expect(error?.problem.contains("0xc0") == true)
        #expect(tokens == [1])
        #expect(try encoder.encode("é").count == 2)
    }
}
