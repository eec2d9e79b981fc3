import Checkpointing
import Collectives
import Foundation
import TestSupport
import Testing

@Suite struct CheckpointCommandTests {
    /// A run with two checkpoints of one tensor.
    private func withRun(_ body: (URL) async throws -> Void) async throws {
        try await withTemporaryFolder { run in
            let values = (0..<12).map(Float.init)
            for step in [5, 10] {
                try values.withUnsafeBufferPointer { values in
                    _ = try CheckpointWriter.save(
                        folder: CheckpointFolder("\(run.path)/checkpoints"), step: step,
                        tensors: [.init(name: "model/w", shape: [3, 4], slice: [0..<3, 0..<4], values: values)],
                        state: CheckpointState(nextSample: step * 8, tokensSeen: step * 1024, job: "name: sample\n"),
                        communicator: SingleProcessCommunicator())
                }
            }
            try await body(run)
        }
    }

    private let file = "checkpoints/step-000010/rank-00000.safetensors"

    @Test func inspectShowsTheLatestOfARun() async throws {
        try await withRun { folder in
            let result = try await run("apus", ["checkpoint", "inspect", folder.path])
            #expect(result.exitCode == 0, "\(result)")
            #expect(
                result.standardOutput == """
                    checkpoint   \(folder.path)/checkpoints/step-000010
                    step         10
                    tokens seen  10,240
                    next sample  80
                    written by   1 rank

                    tensor   type  shape  elements  chunks
                    model/w  F32   3 × 4        12  whole

                    group  tensors  elements
                    model        1        12

                    file                     size
                    rank-00000.safetensors  120 B
                    total                   120 B

                    job
                      name: sample

                    """)
        }
    }

    @Test func inspectPrintsJSON() async throws {
        try await withRun { folder in
            let path = "\(folder.path)/checkpoints/step-000005"
            let result = try await run("apus", ["checkpoint", "inspect", path, "--json"])
            #expect(result.exitCode == 0, "\(result)")
            let json = try JSONDecoder().decode([String: JSONValue].self, from: Data(result.standardOutput.utf8))
            #expect(json["step"] == .integer(5))
            #expect(
                json["tensors"]
                    == .array([
                        .object([
                            "name": .string("model/w"), "dtype": .string("F32"),
                            "shape": .array([.integer(3), .integer(4)]), "elements": .integer(12),
                            "chunks": .array([.array([.integer(3), .integer(4)])]),
                        ])
                    ]))
        }
    }

    @Test func listShowsEveryCheckpoint() async throws {
        try await withRun { folder in
            let result = try await run("apus", ["checkpoint", "list", folder.path])
            #expect(result.exitCode == 0, "\(result)")
            let lines = result.standardOutput.split(separator: "\n")
            #expect(lines.count == 3)
            #expect(lines[1].hasPrefix("step-000005        5,120  120 B"))
            #expect(!lines[1].hasSuffix("latest") && lines[2].hasSuffix("latest"))
        }
    }

    @Test func verifyNamesWhatIsDamagedAndEndsWithOne() async throws {
        try await withRun { folder in
            let intact = try await run("apus", ["checkpoint", "verify", folder.path])
            #expect(intact.exitCode == 0, "\(intact)")
            #expect(intact.standardOutput == "\(folder.path)/checkpoints/step-000010: intact\n")

            let url = folder.appendingPathComponent(file)
            var bytes = try Data(contentsOf: url)
            bytes[bytes.count - 1] ^= 0x80
            try bytes.write(to: url)
            let damaged = try await run("apus", ["checkpoint", "verify", folder.path])
            #expect(damaged.exitCode == 1, "\(damaged)")
            #expect(damaged.standardOutput.contains("tensor model/w"))
            #expect(damaged.standardOutput.contains("bytes 72..<120 of \(url.path) are damaged"))
            #expect(damaged.standardError.contains("1 part is damaged or missing"))

            try FileManager.default.removeItem(at: url)
            let missing = try await run("apus", ["checkpoint", "verify", folder.path])
            #expect(missing.exitCode == 1, "\(missing)")
            #expect(missing.standardOutput.contains("could not open \(url.path): No such file or directory"))
            #expect(missing.standardOutput.contains("tensor model/w"))
        }
    }

    @Test func exportWritesAFolderForTransformers() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("tiny", .gpt2, steps: 4)
            try await workspace.work(job, ranks: 1)
            let exported = try await workspace.apus(
                ["checkpoint", "export", "runs/tiny", "--output", "hub/tiny", "--dtype", "bfloat16"])
            #expect(exported.standardOutput.contains("model.safetensors"), "\(exported)")
            #expect(exported.standardOutput.contains("note: transformers cannot read this kind of tokenizer"))
            let folder = workspace.folder.appendingPathComponent("hub/tiny")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(names == ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"])
            let file = try SafetensorsFile(folder.appendingPathComponent("model.safetensors").path)
            #expect(try file.tensor("transformer.h.1.attn.c_attn.weight").shape == [32, 96])
            #expect(try file.tensor("transformer.wte.weight").type == .bfloat16)

            let again = try await run(
                "apus", ["checkpoint", "export", "runs/tiny", "--output", "hub/tiny"],
                workingDirectory: workspace.folder)
            #expect(again.exitCode == 65, "\(again)")
            #expect(again.standardError.contains("there is such a folder or file already"))
            let untokenized = try await run(
                "apus", ["checkpoint", "export", "runs/tiny", "--output", "hub/other", "--tokenizer", "nowhere.json"],
                workingDirectory: workspace.folder)
            #expect(untokenized.exitCode == 65, "\(untokenized)")
            #expect(untokenized.standardError.contains("nowhere.json"))
            let unknown = try await run("apus", ["checkpoint", "export", "x", "--output", "y", "--dtype", "float8"])
            #expect(unknown.exitCode == 65, "\(unknown)")
        }
    }

    @Test func reshardAndDiff() async throws {
        try await withRun { folder in
            let other = "\(folder.path)/resharded"
            let resharded = try await run("apus", ["checkpoint", "reshard", folder.path, other, "--ranks", "2"])
            #expect(resharded.exitCode == 0, "\(resharded)")
            let source = "\(folder.path)/checkpoints/step-000010"
            #expect(resharded.standardOutput == "resharded \(source) (1 file) to \(other) (2 files)\n")
            let verified = try await run("apus", ["checkpoint", "verify", other])
            #expect(verified.exitCode == 0, "\(verified)")
            let equal = try await run("apus", ["checkpoint", "diff", folder.path, other])
            #expect(equal.exitCode == 0, "\(equal)")
            #expect(equal.standardOutput == "model/w  equal\n\nequal: 1 tensor and the state\n")

            // Steps 5 and 10 hold the same tensor.
            let before = "\(folder.path)/checkpoints/step-000005"
            let different = try await run("apus", ["checkpoint", "diff", before, other])
            #expect(different.exitCode == 1, "\(different)")
            #expect(different.standardOutput.contains("step: 5 against 10\n"), "\(different)")
            #expect(different.standardError == "", "\(different)")
            let tensors = try await run("apus", ["checkpoint", "diff", before, other, "--tensors-only"])
            #expect(tensors.exitCode == 0, "\(tensors)")

            let again = try await run("apus", ["checkpoint", "reshard", folder.path, other, "--ranks", "3"])
            #expect(again.exitCode == 65, "\(again)")
            #expect(again.standardError.contains("there is such a folder or file already"), "\(again)")
        }
    }

    @Test func pruneKeepsWhatItIsTold() async throws {
        try await withRun { folder in
            let arguments = ["checkpoint", "prune", folder.path, "--keep-last", "1"]
            let old = "\(folder.path)/checkpoints/step-000005"
            let dry = try await run("apus", arguments + ["--dry-run"])
            #expect(dry.exitCode == 0 && dry.standardOutput == "would remove \(old)\n", "\(dry)")
            let kept = try await run("apus", arguments + ["--keep-every", "5"])
            #expect(kept.standardOutput == "nothing to remove in \(folder.path)/checkpoints\n", "\(kept)")
            #expect(FileManager.default.fileExists(atPath: old))
            let pruned = try await run("apus", arguments)
            #expect(pruned.exitCode == 0 && pruned.standardOutput == "removed \(old)\n", "\(pruned)")
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/checkpoints").sorted()
            #expect(names == ["latest", "step-000010"])

            // Without knowing the latest, nothing is safe to remove.
            try Data("?".utf8).write(to: folder.appendingPathComponent("checkpoints/latest"))
            let refused = try await run("apus", arguments)
            #expect(refused.exitCode == 65, "\(refused)")
            #expect(refused.standardError.contains("should hold a name such as step-000100"), "\(refused)")
        }
    }

    @Test(arguments: [
        ["reshard", "RUN", "OUT"], ["reshard", "RUN", "OUT", "--ranks", "0"],
        ["reshard", "RUN", "OUT", "--ranks", "two"],
        ["reshard", "RUN", "OUT", "--ranks", "65537"], ["reshard", "RUN", "--ranks", "2"],
        ["reshard", "/nonexistent", "OUT", "--ranks", "2"], ["reshard", "RUN", "/proc/none/out", "--ranks", "2"],
        ["diff", "RUN"], ["diff", "RUN", "/nonexistent"], ["prune", "RUN"], ["prune", "RUN", "--keep-last", "0"],
        ["prune", "RUN", "--keep-last", "1", "--keep-every", "-1"], ["prune", "/nonexistent", "--keep-last", "1"],
    ])
    func badArgumentsAreRefused(arguments: [String]) async throws {
        try await withRun { folder in
            let out = "\(folder.path)/out"
            let filled = arguments.map { $0 == "RUN" ? folder.path : $0 == "OUT" ? out : $0 }
            let result = try await run("apus", ["checkpoint"] + filled)
            #expect(result.exitCode == 65, "\(result)")
            #expect(result.standardError.hasPrefix("error: "), "\(result)")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(names == ["checkpoints"], "\(names)")
            let steps = try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/checkpoints").count
            #expect(steps == 3)
        }
    }

    @Test func aDamagedCheckpointIsNotResharded() async throws {
        try await withRun { folder in
            let url = folder.appendingPathComponent(file)
            try Data(contentsOf: url).dropLast().write(to: url)
            let arguments = ["checkpoint", "reshard", folder.path, "\(folder.path)/out", "--ranks", "2"]
            let result = try await run("apus", arguments)
            #expect(result.exitCode != 0 && result.standardError.contains("\(url.path) has 119 bytes"), "\(result)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["checkpoints"])
        }
    }

    @Test(arguments: ["inspect", "verify", "list"])
    func aPathThatIsNoCheckpointIsBadInput(command: String) async throws {
        let result = try await run("apus", ["checkpoint", command, "/nonexistent/run"])
        #expect(result.exitCode == 65, "\(result)")
        #expect(result.standardError.hasPrefix("error: opening the checkpoint /nonexistent/run: could not find"))
        #expect(result.standardOutput == "")
    }

    @Test func aDamagedManifestIsNamed() async throws {
        try await withRun { folder in
            let manifest = folder.appendingPathComponent("checkpoints/step-000010/manifest.json")
            try Data("{}".utf8).write(to: manifest)
            let result = try await run("apus", ["checkpoint", "verify", folder.path])
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.standardOutput.contains("reading \(manifest.path)"))
            let list = try await run("apus", ["checkpoint", "list", folder.path])
            #expect(list.exitCode == 0 && list.standardOutput.contains("unreadable: "), "\(list)")
        }
    }
}
