import Foundation
import JobConfiguration
import TestSupport
import Testing

@Suite struct TokenizerCommandTests {
    private static let text = """
        The swift flies south in autumn and it's back by May; the swift nests under the eaves.
        Swifts don't land: they eat, drink and sleep on the wing, and the wing is long.

        """

    /// Runs `apus tokenizer` in a folder that holds `text.txt`.
    private func apus(_ arguments: String..., in folder: URL, standardInput: String = "") async throws -> ProgramResult
    {
        try await run("apus", ["tokenizer"] + arguments, workingDirectory: folder, standardInput: standardInput)
    }

    private func withText(_ body: (URL) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try Data(Self.text.utf8).write(to: folder.appendingPathComponent("text.txt"))
            try await body(folder)
        }
    }

    @Test(arguments: ["bpe", "character", "byte"]) func trainEncodeAndDecode(_ type: String) async throws {
        try await withText { folder in
            let trained = try await apus(
                "train", "--input", "text.txt", "--type", type, "--vocabulary-size", "270", "--output", "made",
                "--threads", "2", in: folder)
            #expect(trained.isSuccess, "\(trained)")
            #expect(trained.standardError == "")
            #expect(trained.standardOutput.contains("made/tokenizer.json\n"))

            let encoded = try await apus("encode", "--tokenizer", "made", in: folder, standardInput: Self.text)
            #expect(encoded.isSuccess, "\(encoded)")
            let decoded = try await apus(
                "decode", "--tokenizer", "made/tokenizer.json", in: folder, standardInput: encoded.standardOutput)
            #expect(decoded.standardOutput == Self.text)

            let inspected = try await apus("inspect", "made", "--input", "text.txt", in: folder)
            #expect(inspected.standardOutput.contains("<|endoftext|>"), "\(inspected)")
            #expect(inspected.standardOutput.contains("text        1 documents, \(Self.text.utf8.count) bytes"))
        }
    }

    @Test func specialTokensAndPiecesAreShownWhenAskedFor() async throws {
        try await withText { folder in
            _ = try await apus("train", "--input", "text.txt", "--type", "byte", "--output", "made", in: folder)
            let plain = try await apus("encode", "--tokenizer", "made", "<|endoftext|>", in: folder)
            #expect(plain.standardOutput.split(separator: " ").count == 13)
            let special = try await apus("encode", "--tokenizer", "made", "a<|endoftext|>", "--special", in: folder)
            #expect(special.standardOutput == "97 256\n")
            let pieces = try await apus("encode", "--tokenizer", "made", "a\n", "--pieces", in: folder)
            #expect(pieces.standardOutput == "97\t\"a\"\n10\t\"\\n\"\n")
        }
    }

    @Test func convertKeepsTheTokenizer() async throws {
        try await withText { folder in
            _ = try await apus(
                "train", "--input", "text.txt", "--vocabulary-size", "270", "--output", "made.json", in: folder)
            for arguments in [["made.json", "files", "--format", "gpt2"], ["files", "again.json"]] {
                let converted = try await run("apus", ["tokenizer", "convert"] + arguments, workingDirectory: folder)
                #expect(converted.isSuccess, "\(converted)")
            }
            #expect(FileManager.default.fileExists(atPath: folder.path + "/files/merges.txt"))
            #expect(
                try Data(contentsOf: folder.appendingPathComponent("made.json"))
                    == Data(contentsOf: folder.appendingPathComponent("again.json")))
        }
    }

    @Test func aSmallCorpusIsWarnedOf() async throws {
        try await withText { folder in
            let trained = try await apus(
                "train", "--input", "text.txt", "--vocabulary-size", "5000", "--output", "made", in: folder)
            #expect(trained.isSuccess)
            #expect(trained.standardError.hasPrefix("warning: the corpus of \(Self.text.utf8.count) bytes gives"))
        }
    }

    @Test func badInputIsNamedAndWritesNothing() async throws {
        try await withText { folder in
            func refused(_ arguments: String..., saying words: String) async throws {
                let result = try await run("apus", ["tokenizer"] + arguments, workingDirectory: folder)
                #expect(result.exitCode == Int(ExitStatus.badInput.rawValue), "\(result)")
                #expect(result.standardError.contains(words), "\(result)")
            }
            try Data().write(to: folder.appendingPathComponent("empty.txt"))
            try Data("{\"model\": ".utf8).write(to: folder.appendingPathComponent("cut.json"))
            try await refused("train", "--input", "empty.txt", "--output", "made", saying: "empty.txt has no text")
            try await refused("train", "--input", "missing.txt", "--output", "made", saying: "missing.txt")
            try await refused(
                "train", "--input", "text.txt", "--vocabulary-size", "100", "--output", "made", saying: "at least 257")
            try await refused(
                "train", "--input", "text.txt", "--type", "byte", "--format", "gpt2", "--output", "made",
                saying: "expected a byte-level BPE tokenizer")
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/made"))
            try await refused("inspect", "cut.json", saying: "cut.json: line 1: expected a JSON value")
            try await refused("inspect", "missing.json", saying: "missing.json: there is no such file")
            _ = try await apus("train", "--input", "text.txt", "--type", "byte", "--output", "made", in: folder)
            try await refused("decode", "--tokenizer", "made", "12", "900", saying: "token 900 at position 1")
            try await refused("decode", "--tokenizer", "made", "12", "x", saying: "found 'x'")
        }
    }
}
