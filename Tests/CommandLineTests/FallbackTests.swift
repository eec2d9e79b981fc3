import Checkpointing
import Foundation
import TestSupport
import Testing

/// A damaged checkpoint is named and the one before it is used; the run then ends as if nothing had happened.
@Suite(.serialized) struct FallbackTests {
    /// What happens to a folder of checkpoints of steps 10 and 20, and what the user must be told.
    enum Harm: String, CaseIterable {
        case flippedByte, truncatedFile, missingFile, truncatedManifest, missingManifest, leftovers

        func strike(_ checkpoints: URL) throws {
            let newest = checkpoints.appendingPathComponent("step-000020")
            let file = newest.appendingPathComponent("rank-00001.safetensors")
            let manifest = newest.appendingPathComponent("manifest.json")
            switch self {
            case .flippedByte:
                var bytes = try Data(contentsOf: file)
                bytes[bytes.count - 9] ^= 16
                try bytes.write(to: file)
            case .truncatedFile: try Data(contentsOf: file).dropLast(100).write(to: file)
            case .missingFile: try FileManager.default.removeItem(at: file)
            case .truncatedManifest: try Data(contentsOf: manifest).dropLast(100).write(to: manifest)
            case .missingManifest: try FileManager.default.removeItem(at: manifest)
            case .leftovers:
                // A crash in the middle of step 30's save.
                try FileManager.default.copyItem(
                    at: newest, to: checkpoints.appendingPathComponent(".step-000030.partial"))
                try FileManager.default.removeItem(at: newest)
            }
        }

        var complaint: String {
            switch self {
            case .flippedByte: "rank-00001.safetensors are damaged: expected hash"
            case .truncatedFile: "rank-00001.safetensors has "
            case .missingFile: "rank-00001.safetensors: No such file"
            case .truncatedManifest: "hash of its contents"
            case .missingManifest: "there is neither a manifest.json"
            case .leftovers: "latest names step-000020, which is not in"
            }
        }
    }

    @Test func theNewestIntactCheckpointIsUsed() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("whole", .gpt2, data: 2, steps: 24), ranks: 2)
            let expected = try workspace.tensors("whole")
            let job = try workspace.writeJob("harmed", .gpt2, data: 2, steps: 24)
            try await workspace.work(job, ranks: 2, ["training.steps=20"])
            let run = workspace.folder.appendingPathComponent("runs/harmed")
            let copy = workspace.folder.appendingPathComponent("unharmed")
            try FileManager.default.moveItem(at: run, to: copy)
            for harm in Harm.allCases {
                try FileManager.default.copyItem(at: copy, to: run)
                defer { try? FileManager.default.removeItem(at: run) }
                let checkpoints = run.appendingPathComponent("checkpoints")
                try harm.strike(checkpoints)
                let result = try await workspace.work(job, ranks: 2)
                #expect(result.standardOutput.contains("resuming after step 10 of 24"), "\(harm): \(result)")
                #expect(result.standardOutput.contains(harm.complaint), "\(harm): \(result)")
                if harm != .leftovers {
                    let warning = "warning: passed over the checkpoint runs/harmed/checkpoints/step-000020: "
                    #expect(result.standardOutput.contains(warning), "\(harm): \(result)")
                    #expect(
                        result.standardOutput.contains("going on from runs/harmed/checkpoints/step-000010"),
                        "\(harm): \(result)")
                }
                let found = try workspace.tensors("harmed")
                #expect(found == expected, "\(harm)")
                let names = try FileManager.default.contentsOfDirectory(atPath: checkpoints.path)
                #expect(names.allSatisfy { !$0.hasPrefix(".") }, "\(harm): \(names)")
                #expect(try CheckpointFolder(checkpoints.path).latest()?.step == 24)
            }
        }
    }

    @Test(arguments: ["", "\u{0}\u{1}garbage", "step-000099\n", "../step-000010"])
    func aDamagedLatestDoesNotStopARun(text: String) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("run", .gpt2, steps: 6)
            try await workspace.work(job, ranks: 1, ["training.steps=4"])
            let latest = workspace.folder.appendingPathComponent("runs/run/checkpoints/latest")
            try Data(text.utf8).write(to: latest)
            let result = try await workspace.work(job, ranks: 1)
            #expect(result.standardOutput.contains("resuming after step 4 of 6"), "\(result)")
            #expect(result.standardOutput.contains("using the newest checkpoint"), "\(result)")
            #expect(try String(contentsOf: latest, encoding: .utf8) == "step-000006\n")
        }
    }

    /// Never silently a fresh start: the user's checkpoints are there, and would be overwritten.
    @Test(arguments: [1, 2]) func withoutAnIntactOneTheRunEnds(ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("run", .gpt2, data: ranks, steps: 20)
            try await workspace.work(job, ranks: ranks)
            let checkpoints = workspace.folder.appendingPathComponent("runs/run/checkpoints")
            for step in [10, 20] {
                let file = checkpoints.appendingPathComponent("step-0000\(step)/rank-00000.safetensors")
                try Data(contentsOf: file).dropLast().write(to: file)
            }
            let result = try await workspace.attempt(job, ranks: ranks, ["training.steps=30"])
            #expect(result.exitCode == 1, "\(result)")
            for expected in [
                "resuming run run: none of its 2 checkpoints is intact", "step-000010: ", "step-000020: ",
                "restore one from a copy",
            ] { #expect(result.standardError.contains(expected), "\(result)") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: checkpoints.path).count == 3)
        }
    }

    /// Another model is a mistake in the job, not damage.
    @Test func aJobThatDoesNotFitIsNotTakenForDamage() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("run", .gpt2, steps: 4)
            try await workspace.work(job, ranks: 1)
            let result = try await workspace.attempt(job, ranks: 1, ["model.layers=3", "training.steps=6"])
            #expect(result.exitCode == 65, "\(result)")
            #expect(result.standardError.contains("model.layers is 3, the checkpoint has 2"), "\(result)")
        }
    }
}
