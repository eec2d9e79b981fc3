import Foundation
import Numerics
import Testing
import Tokenization

/// Damaged and foreign files are refused by name, and never crash.
@Suite struct BadTokenizerFileTests {
    private func problem(_ text: String) -> String {
        problem(Array(text.utf8))
    }

    private func problem(_ bytes: [UInt8]) -> String {
        do {
            _ = try TokenizerFile.read(bytes, source: "folder/tokenizer.json")
            return "none"
        } catch {
            let message = "\(error)"
            #expect(error is ApusError)
            #expect(message.contains("folder/tokenizer.json"))
            return message
        }
    }

    @Test func everyTruncationIsNoticed() throws {
        let small = TokenizerFile.contents(
            try CharacterTokenizer(characters: "ab\"\n雨".unicodeScalars, specialTokens: ["<|\u{1F985}|>"]))
        // The last byte is a line break.
        for count in 0..<small.count - 1 { #expect(problem(Array(small.prefix(count))) != "none", "\(count) bytes") }
        let large = HuggingFaceDocument().bytes
        for count in stride(from: 0, to: large.count, by: 97) { #expect(problem(Array(large.prefix(count))) != "none") }
    }

    @Test func flippedBytesNeverCrash() throws {
        let files = [
            HuggingFaceDocument(merges: Array(HuggingFaceGoldens.merges.prefix(5))).bytes,
            TokenizerFile.contents(try ByteTokenizer()),
            TokenizerFile.contents(try CharacterTokenizer(characters: "abc雨".unicodeScalars)),
        ]
        var random = SplitMix64(seed: 1)
        for round in 0..<3_000 {
            var bytes = files[round % files.count]
            for _ in 0...random.next(below: 3) {
                let place = random.next(below: bytes.count)
                switch random.next(below: 3) {
                case 0: bytes[place] = UInt8(random.next(below: 256))
                case 1: bytes.remove(at: place)
                default: bytes.insert("{}[]\",:0-e\\u".utf8.randomElement(using: &random)!, at: place)
                }
            }
            if let tokenizer = try? TokenizerFile.read(bytes, source: "fuzzed") {
                _ = try? tokenizer.encode("The swift's <|endoftext|> 雨")
            }
        }
    }

    @Test(arguments: [
        ("", "expected a JSON value, found the end of the file"),
        ("{\"a\": 1,\n\"b\" 2}", "line 2: expected ':' after the name 'b', found '2'"),
        ("[1, 2", "expected ',' or ']', found the end of the file"),
        ("{\"a\": tru}", "expected 'true'"),
        ("\"\\ud800x\"", "surrogate"),
        ("\"\\q\"", "escapes"),
        ("\"a\nb\"", "control characters"),
        ("{} {}", "the end of the file, found '{'"),
        ("-", "expected a number"),
        ("{}", "'model'"),
        ("[]", "'model'"),
        ("{\"type\": \"apus.character\"}", "characters: expected an array of strings, found nothing"),
        ("{\"type\": \"apus.character\", \"characters\": [\"ab\"], \"specialTokens\": []}", "found 'ab'"),
        ("{\"type\": \"apus.character\", \"characters\": [\"a\", \"a\"], \"specialTokens\": []}", "twice"),
        ("{\"type\": \"apus.byte\", \"specialTokens\": [1]}", "specialTokens[0]: expected a string, found 1"),
        ("{\"model\": 3}", "model: expected an object, found 3"),
        ("{\"model\": {\"type\": \"WordPiece\"}}", "model type 'WordPiece', which Apus does not support"),
        ("{\"model\": {\"type\": \"BPE\", \"vocab\": []}}", "model.vocab: expected an object, found an array"),
    ])
    func messagesSayWhatWasExpectedAndFound(_ text: String, _ expected: String) {
        #expect(problem(text).contains(expected), "\(problem(text))")
    }

    @Test func deepNestingIsRefused() {
        #expect(problem(String(repeating: "[", count: 100_000)).contains("levels of nesting"))
    }

    @Test func textThatIsNotUTF8IsRefused() {
        #expect(problem([0x22, 0xFF, 0x22]).contains("UTF-8"))
    }

    @Test func brokenVocabulariesAreNamed() throws {
        func problem(_ change: (inout HuggingFaceDocument) -> Void) -> String {
            var document = HuggingFaceDocument(merges: ["h e", "he r"])
            change(&document)
            return self.problem(document.bytes)
        }
        #expect(problem { _ in } == "none")
        let unknown = problem { $0.setModel("merges", ["h e", "t he"]) }
        #expect(unknown.contains("the merge of 't' and 'he' needs 'the', which is not in the vocabulary"))
        #expect(problem { $0.setModel("merges", ["h"]) }.contains("model.merges[0]: expected two tokens, found 'h'"))
        #expect(problem { $0.setModel("merges", [["h", 1]]) }.contains("model.merges[0]"))
        #expect(problem { $0.setModel("merges", "h e") }.contains("model.merges"))
        #expect(problem { $0.setModel("vocab", ["a": -1]) }.contains("token 'a': expected an id from 0"))
        #expect(problem { $0.setModel("vocab", ["a": 1.5]) }.contains("found 1.5"))
        #expect(problem { $0.setModel("vocab", ["a": 4_000_000_000]) }.contains("found 4000000000"))
        // Few entries with a huge id would ask for hundreds of megabytes.
        #expect(problem { $0.setModel("vocab", ["a": 16_777_216]) }.contains("expected an id from 0 to 1048576"))
        let far = problem { $0.add("<|x|>", id: 16_777_216, isSpecial: true) }
        #expect(far.contains("has the id 16777216; ids are 0 to 1048576"))
        let twice = problem {
            $0.setModel("vocab", ["a": 1, "b": 1])
            $0.setModel("merges", [String]())
        }
        #expect(twice.contains("id 1 is given to two tokens"))
        let clash = problem { $0.add("<|x|>", id: 3, isSpecial: true) }
        #expect(clash.contains("id 3 is given to two tokens"))
        let same =
            "{\"model\": {\"vocab\": {\"a\": 1, \"a\": 2}, \"merges\": []}, \"pre_tokenizer\": {\"type\": "
            + "\"ByteLevel\", \"add_prefix_space\": false}}"
        #expect(self.problem(same).contains("token 'a' is given twice, with the ids 1 and 2"))
    }

    @Test func whatIsNotSupportedIsNamed() throws {
        func problem(_ change: (inout HuggingFaceDocument) -> Void) -> String {
            var document = HuggingFaceDocument(merges: ["h e"])
            change(&document)
            return self.problem(document.bytes)
        }
        #expect(problem { $0.root["normalizer"] = ["type": "Lowercase"] }.contains("normalizer 'Lowercase'"))
        #expect(problem { $0.root["pre_tokenizer"] = ["type": "Metaspace"] }.contains("end with ByteLevel"))
        #expect(problem { $0.root["pre_tokenizer"] = NSNull() }.contains("end with ByteLevel"))
        #expect(problem { $0.root["pre_tokenizer"] = ["type": "ByteLevel"] }.contains("add_prefix_space"))
        #expect(problem { $0.split(by: "a+") }.contains("the split pattern a+"))
        #expect(problem { $0.root["decoder"] = ["type": "WordPiece"] }.contains("decoder 'WordPiece'"))
        let processor: [String: Any] = ["type": "BertProcessing"]
        #expect(problem { $0.root["post_processor"] = processor }.contains("post_processor 'BertProcessing'"))
        #expect(problem { $0.setModel("byte_fallback", true) }.contains("byte_fallback"))
        #expect(problem { $0.setModel("dropout", 0.1) }.contains("dropout"))
        #expect(problem { $0.setModel("end_of_word_suffix", "</w>") }.contains("end_of_word_suffix '</w>'"))
        let stripping = problem {
            $0.root["added_tokens"] = [["id": 900, "content": "<mask>", "lstrip": true] as [String: Any]]
        }
        #expect(stripping.contains("lstrip of the added token '<mask>'"))
    }

    @Test func filesOnDiskAreNamed() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func problem(_ path: String) -> String {
            let error = #expect(throws: ApusError.self) { try TokenizerFile.load(path) }
            return error?.description ?? ""
        }
        func write(_ text: String, _ name: String) throws {
            try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
        }
        #expect(problem(folder + "/missing.json").contains("missing.json: there is no such file"))
        #expect(problem(folder).contains("the folder has no tokenizer"))
        try write("{\"a\": 0}", "vocab.json")
        #expect(problem(folder).contains("merges.txt: there is no such file"))
        try write("", "merges.txt")
        #expect(problem(folder).contains("merges.txt: the file is empty"))
        try write("#version: 0.2\na b\n", "merges.txt")
        #expect(problem(folder).contains("merges.txt, line 2: the merge of 'a' and 'b'"))
        try write("a\n", "merges.txt")
        #expect(problem(folder).contains("line 1: expected two tokens with a space between, found 'a'"))
        try write("[]", "vocab.json")
        #expect(problem(folder).contains("vocab.json: expected an object"))
        #expect(throws: ApusError.self) { try TokenizerFile.save(try ByteTokenizer(), to: folder + "/vocab.json/x") }
    }

    @Test func idsInTextAreChecked() throws {
        #expect(try TokenIdentifiers.parse(" 1, 2\n3 ") == [1, 2, 3])
        let error = #expect(throws: ApusError.self) { try TokenIdentifiers.parse("1 two") }
        #expect(error?.problem.contains("position 1, found 'two'") == true)
        #expect(throws: ApusError.self) { try TokenIdentifiers.parse("99999999999") }
    }
}
