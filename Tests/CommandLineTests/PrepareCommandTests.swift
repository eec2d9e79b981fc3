import Foundation
import TestSupport
import Testing
import Tokenization

@Suite struct PrepareCommandTests {
    /// A folder with a tokenizer and a corpus of 40 short documents.
    private func withCorpus(_ body: (URL) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try TokenizerFile.save(ByteTokenizer(), to: folder.path + "/tokenizer.json")
            let lines = (0..<40).map { "{\"content\": \"story number \($0)\"}\n" }
            try lines.joined().write(
                to: folder.appendingPathComponent("stories.jsonl"), atomically: false, encoding: .utf8)
            try await body(folder)
        }
    }

    private let arguments = [
        "prepare", "--tokenizer", "tokenizer.json", "--field", "content", "--validation-fraction", "0.2",
    ]

    private func names(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test func shardsAreMadeInspectedAndShown() async throws {
        try await withCorpus { folder in
            let prepared = try await run(
                "apus", arguments + ["--input", "stories.jsonl", "--output", "data"], workingDirectory: folder)
            #expect(prepared.isSuccess, "\(prepared)")
            #expect(prepared.standardOutput.contains("read: 40 documents"))
            #expect(prepared.standardError.isEmpty)
            #expect(
                try names(folder.appendingPathComponent("data")) == [
                    "train.bin", "train.idx", "validation.bin", "validation.idx",
                ])

            let inspected = try await run(
                "apus", ["data", "inspect", "data/train", "data/validation", "--vocabulary-size", "257"],
                workingDirectory: folder)
            #expect(inspected.isSuccess, "\(inspected)")
            #expect(inspected.standardOutput.contains("Megatron indexed data set, uint16"))
            #expect(inspected.standardOutput.contains("largest token: 256"))

            let shown = try await run(
                "apus", ["data", "show", "data/train", "--tokenizer", "tokenizer.json", "--document", "0"],
                workingDirectory: folder)
            #expect(shown.standardOutput.hasPrefix("story number "), "\(shown)")
            #expect(shown.standardOutput.hasSuffix("<|endoftext|>\n"))
            let sample = try await run(
                "apus",
                ["data", "show", "data/train", "--tokenizer", "tokenizer.json"]
                    + ["--sample", "1", "--sequence-length", "6"], workingDirectory: folder)
            #expect(sample.standardOutput == "number \n" || sample.standardOutput == "number\n", "\(sample)")
        }
    }

    @Test func badInputIsNamedAndLeavesNothing() async throws {
        try await withCorpus { folder in
            let cases: [(arguments: [String], expected: String)] = [
                (["--input", "missing.txt", "--output", "data"], "missing.txt"),
                (["--input", "stories.jsonl", "--output", "data", "--field", "body"], "no field 'body'"),
                (["--input", "stories.jsonl", "--output", "data", "--tokenizer", "no.json"], "no.json"),
                (["--input", "stories.jsonl", "--output", "tokenizer.json/data"], "tokenizer.json/data"),
                (["--input", "stories.jsonl", "--output", "data", "--end-of-text", "<nope>"], "<|endoftext|>"),
            ]
            for (more, expected) in cases {
                let result = try await run("apus", arguments + more, workingDirectory: folder)
                #expect(result.exitCode == 65, "\(result)")
                #expect(
                    result.standardError.hasPrefix("error: ") && result.standardError.contains(expected), "\(result)")
                #expect(try names(folder) == ["stories.jsonl", "tokenizer.json"])
            }
        }
    }

    /// A limit on the size of files stands in for a full disk: writing fails in the same way, half-way through.
    @Test func aFullDiskLeavesNothingHalfWritten() async throws {
        try await withCorpus { folder in
            let text = String(repeating: "a line of a long document\n", count: 40_000)
            try text.write(to: folder.appendingPathComponent("long.txt"), atomically: false, encoding: .utf8)
            let apus = try builtExecutable("apus")
            let command = "trap '' XFSZ; ulimit -f 500; exec '\(apus)' \(arguments.joined(separator: " "))"
            let result = try await run(
                "bash", ["-c", command + " --input long.txt --output data"], workingDirectory: folder)
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.standardError.contains("data/train.bin") && result.standardError.contains("File too large"))
            #expect(try names(folder) == ["long.txt", "stories.jsonl", "tokenizer.json"])
        }
    }
}
