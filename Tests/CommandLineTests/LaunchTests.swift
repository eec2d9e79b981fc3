import Foundation
import TestSupport
import Testing

/// The coordinator with real workers, as a user starts it.
@Suite(.serialized) struct LaunchTests {
    @Test func aLaunchedRunFinishesAndResumes() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2, steps: 10)
            let first = try await workspace.apus(["launch", job])
            #expect(first.standardOutput.contains("finished 10 steps"))
            let second = try await workspace.apus(["train", job, "--set", "training.steps=12"])
            #expect(second.standardOutput.contains("resuming after step 10 of 12"))
            #expect(try workspace.losses("job").count == 12)
            let curve = workspace.folder.appendingPathComponent("runs/job/loss.svg").path
            #expect(FileManager.default.fileExists(atPath: curve))
        }
    }

    @Test func aStoppedLaunchSavesAndSaysSo() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2, steps: 100_000)
            let result = try await run(
                "apus", ["launch", job, "--set", "checkpoint.every=0"], workingDirectory: workspace.folder
            ) { coordinator in
                try await coordinator.waitForOutput("step 5/100000")
                coordinator.send(SIGTERM)
            }
            #expect(result.exitCode == 75, "\(result)")
            #expect(try !workspace.tensors("job").isEmpty)
        }
    }

    @Test func aWorkersBadInputIsPassedOn() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2)
            let result = try await run(
                "apus", ["launch", job, "--set", "data.train=[data/absent]"], workingDirectory: workspace.folder)
            #expect(result.exitCode == 65, "\(result)")
            #expect(result.standardError.contains("data/absent"))
        }
    }
}
