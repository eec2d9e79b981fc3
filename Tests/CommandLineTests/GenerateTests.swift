import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct GenerateTests {
    @Test func greedyTextDoesNotDependOnTheLayout() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("job", .llama, data: 2, steps: 40), ranks: 2)
            let arguments = [
                "generate", "--checkpoint", "runs/job", "--prompt", "swift flies", "--tokens", "60", "--temperature",
                "0",
            ]
            let alone = try await workspace.apus(arguments)
            #expect(alone.standardOutput.hasPrefix("swift flies"))
            #expect(alone.standardOutput.count > "swift flies".count + 10)
            let divided = try await runDistributed(
                worldSize: 2, program: "apus", arguments: arguments, workingDirectory: workspace.folder)
            #expect(divided.standardOutput == alone.standardOutput)
        }
    }

    @Test func badArgumentsAndCheckpointsAreNamed() async throws {
        try await withTrainingWorkspace { workspace in
            func fails(_ arguments: [String], saying text: String) async throws {
                let result = try await run("apus", ["generate"] + arguments, workingDirectory: workspace.folder)
                #expect(result.exitCode == 65, "\(result)")
                #expect(result.standardError.contains(text), "\(result)")
            }
            try await fails(["--checkpoint", "runs/absent"], saying: "runs/absent")
            try await workspace.work(try workspace.writeJob("job", .gpt2, steps: 5), ranks: 1)
            try await fails(["--checkpoint", "runs/job", "--top-p", "0"], saying: "top-p")
            try await fails(["--checkpoint", "runs/job", "--tokens", "0"], saying: "--tokens")
            try await fails(["--checkpoint", "runs/job", "--tokenizer", "absent.json"], saying: "absent.json")
        }
    }
}
