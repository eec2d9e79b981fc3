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
