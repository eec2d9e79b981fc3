import Checkpointing
import Foundation
import TestSupport
import Testing

/// Saves in the background and at once, and saves that fail, as a user's job has them.
@Suite(.serialized) struct SavingTests {
    /// The files of two checkpoints are the same, byte for byte; the manifests differ by the job's document only.
    @Test(arguments: [1, 2, 4]) func backgroundSavesWriteWhatSavesAtOnceWrite(ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let checkpoints = workspace.folder.appendingPathComponent("runs")
            for mode in ["asynchronous", "synchronous"] {
                let job = try workspace.writeJob(mode, .llama, data: max(ranks / 2, 1), tensor: min(ranks, 2), steps: 9)
                try await workspace.work(
                    job, ranks: ranks, ["checkpoint.mode=\(mode)", "checkpoint.every=2", "evaluation.every=0"])
                let records = try workspace.metrics(mode, kind: "checkpoint")
                #expect(records.map { $0["step"] as? Int } == [2, 4, 6, 8, 9])
                for record in records {
                    let (seconds, stall) = (record["seconds"] as? Double, record["stallSeconds"] as? Double)
                    #expect(try #require(seconds) >= #require(stall))
                    #expect(try #require(record["writingSeconds"] as? Double) > 0)
                }
            }
            for step in [2, 4, 6, 8, 9] {
                let readers = try ["asynchronous", "synchronous"].map {
                    try CheckpointReader(
                        checkpoints.appendingPathComponent("\($0)/checkpoints/\(CheckpointFolder.name(step: step))")
                            .path)
                }
                #expect(readers[0].manifest.files == readers[1].manifest.files)
                #expect(readers[0].manifest.tensors == readers[1].manifest.tensors)
                #expect(readers[0].manifest.state.nextSample == readers[1].manifest.state.nextSample)
                #expect(readers.allSatisfy { $0.verify().isEmpty })
                for name in readers[0].manifest.files.keys {
                    let bytes = try readers.map { try Data(contentsOf: URL(fileURLWithPath: "\($0.path)/\(name)")) }
                    #expect(bytes[0] == bytes[1], "step \(step), \(name)")
                }
            }
        }
    }

    /// Runs a job alone with files of at most so many KiB, as under a quota.
    private func workWithLimit(
        _ kibibytes: Int, _ workspace: TrainingWorkspace, _ job: String, _ overrides: [String]
    ) async throws -> ProgramResult {
        let script = "trap '' XFSZ; ulimit -f \(kibibytes); exec \"$0\" \"$@\""
        let arguments = ["worker", job] + overrides.flatMap { ["--set", $0] }
        return try await run(
            "bash", ["-c", script, try builtExecutable("apus")] + arguments, workingDirectory: workspace.folder)
    }

    @Test(arguments: ["asynchronous", "synchronous"])
    func aFailedSaveEndsTheRunUnlessTheJobSaysOtherwise(mode: String) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("run", .gpt2, steps: 24)
            let overrides = ["checkpoint.mode=\(mode)", "checkpoint.every=5", "evaluation.every=0"]
            try await workspace.work(job, ranks: 1, overrides + ["training.steps=4"])
            let good = try workspace.tensors("run", step: 4)

            let stopped = try await workWithLimit(200, workspace, job, overrides)
            #expect(stopped.exitCode == 1, "\(stopped)")
            let complaint = "saving the checkpoint of step 5: rank 0 could not write"
            #expect(stopped.standardError.contains(complaint), "\(stopped)")
            #expect(stopped.standardError.contains("File too large"), "\(stopped)")
            #expect(try workspace.losses("run").count < 24)

            let wentOn = try await workWithLimit(200, workspace, job, overrides + ["checkpoint.onFailure=continue"])
            #expect(try workspace.losses("run").count == 24, "\(wentOn)")
            for step in [5, 10, 15, 20] {
                let warning = "warning: saving the checkpoint of step \(step): rank 0 could not write"
                #expect(wentOn.standardOutput.contains(warning), "\(wentOn)")
            }
            #expect(wentOn.standardOutput.contains("training goes on"), "\(wentOn)")
            // There is no later save that could make up for the last.
            #expect(wentOn.exitCode == 1, "\(wentOn)")
            #expect(wentOn.standardError.contains("saving the checkpoint of step 24"), "\(wentOn)")

            let checkpoints = workspace.folder.appendingPathComponent("runs/run/checkpoints")
            let names = try FileManager.default.contentsOfDirectory(atPath: checkpoints.path).sorted()
            #expect(names == ["latest", "step-000004"])
            let stillGood = try workspace.tensors("run", step: 4)
            #expect(stillGood == good)
            try await workspace.work(job, ranks: 1, overrides)
            #expect(try CheckpointFolder(checkpoints.path).latest()?.step == 24)
        }
    }
}
