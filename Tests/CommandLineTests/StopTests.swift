import Foundation
import TestSupport
import Testing

/// SIGTERM and SIGUSR1 save and end with exit code 75; the run then goes on as if nothing had happened.
@Suite(.serialized) struct StopTests {
    @Test func aSignalledRunSavesAndResumesBitForBit() async throws {
        try await withTrainingWorkspace { workspace in
            let whole = try workspace.writeJob("whole", .gpt2, steps: 400)
            try await workspace.work(whole, ranks: 1, ["checkpoint.every=0", "evaluation.every=0"])
            let job = try workspace.writeJob("stopped", .gpt2, steps: 400)
            let arguments = ["worker", job, "--set", "checkpoint.every=0", "--set", "evaluation.every=0"]
            let stopped = try await run("apus", arguments, workingDirectory: workspace.folder) { program in
                try await program.waitForOutput("5/400")
                program.send(SIGTERM)
            }
            #expect(stopped.exitCode == 75)
            let done = try workspace.losses("stopped").count
            #expect(done >= 5 && done < 400)
            try await workspace.apus(arguments)
            #expect(try workspace.losses("whole") == workspace.losses("stopped"))
            #expect(try workspace.tensors("whole") == workspace.tensors("stopped"))
        }
    }

    @Test func aSignalToTheLauncherStopsAllRanks() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("stopped", .gpt2, data: 2, steps: 100_000)
            let result = try await runDistributed(
                worldSize: 2, program: "apus", arguments: ["worker", job, "--set", "checkpoint.every=0"],
                workingDirectory: workspace.folder
            ) { program in
                try await program.waitForOutput("5/100000")
                program.send(SIGUSR1)
            }
            #expect(result.exitCode == 75)
            #expect(try !workspace.tensors("stopped").isEmpty)
        }
    }
}
