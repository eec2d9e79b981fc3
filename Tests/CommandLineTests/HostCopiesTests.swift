import Foundation
import TestSupport
import Testing

/// Hosts keep copies of their parts of the state, and of each other's: a run goes on from them without a shared disk's
/// checkpoint, and without one of the hosts.
@Suite(.serialized) struct HostCopiesTests {
    /// Two hosts on one machine.
    private static let environment = ["APUS_RANKS_PER_HOST": "1"]
    private static let settings = [
        "checkpoint.every=0", "checkpoint.localFolder=local/{host}", "checkpoint.localEvery=5",
    ]

    /// A run of 20 steps, and another that ended after 15 of them and lost the checkpoint that it left.
    private func withInterruptedRun(_ body: (TrainingWorkspace, _ job: String) async throws -> Void) async throws {
        try await withTrainingWorkspace { workspace in
            let whole = try workspace.writeJob("whole", .llama, data: 2)
            try await workspace.work(whole, ranks: 2, environment: Self.environment)
            let job = try workspace.writeJob("job", .llama, data: 2)
            try await workspace.work(
                job, ranks: 2, Self.settings + ["training.steps=15"], environment: Self.environment)
            let checkpoints = workspace.folder.appendingPathComponent("runs/job/checkpoints")
            try FileManager.default.removeItem(at: checkpoints.appendingPathComponent("step-000015"))
            try FileManager.default.removeItem(at: checkpoints.appendingPathComponent("latest"))
            try await body(workspace, job)
        }
    }

    private func hosts(_ workspace: TrainingWorkspace) throws -> [URL] {
        let local = workspace.folder.appendingPathComponent("local")
        return try FileManager.default.contentsOfDirectory(atPath: local.path).sorted().map {
            local.appendingPathComponent($0)
        }
    }

    /// The folder of a save on a host, which has those of one run.
    private func save(_ step: Int, on host: URL) throws -> URL {
        let run = try #require(try FileManager.default.contentsOfDirectory(atPath: host.path).first)
        return host.appendingPathComponent("\(run)/step-\(String(format: "%06d", step))")
    }

    @Test func aRunGoesOnWithoutOneOfItsHosts() async throws {
        try await withInterruptedRun { workspace, job in
            let hosts = try hosts(workspace)
            try #require(hosts.count == 2)
            for host in hosts {
                let names = try FileManager.default.contentsOfDirectory(atPath: try save(10, on: host).path).sorted()
                #expect(names == ["manifest.json", "rank-00000.safetensors", "rank-00001.safetensors"])
            }
            try FileManager.default.removeItem(at: hosts[1])
            let result = try await workspace.work(job, ranks: 2, Self.settings, environment: Self.environment)
            #expect(
                result.standardOutput.contains("the checkpoint of step 10 is from the hosts' own copies"), "\(result)")
            #expect(result.standardOutput.contains("resuming after step 10 of 20"), "\(result)")
            #expect(try workspace.tensors("job") == workspace.tensors("whole"))
            #expect(try workspace.losses("job") == workspace.losses("whole"))
        }
    }

    @Test func aSaveOfWhichPartsAreLostIsLeftForTheOneBefore() async throws {
        try await withInterruptedRun { workspace, job in
            let hosts = try hosts(workspace)
            for host in hosts {
                let file = try save(10, on: host).appendingPathComponent("rank-00001.safetensors")
                try Data(contentsOf: file).dropLast(7).write(to: file)
            }
            let result = try await workspace.work(job, ranks: 2, Self.settings, environment: Self.environment)
            #expect(result.standardOutput.contains("resuming after step 5 of 20"), "\(result)")
            #expect(try workspace.tensors("job") == workspace.tensors("whole"))
        }
    }

    @Test func copiesOfAnotherRunAreNotTouched() async throws {
        try await withInterruptedRun { workspace, job in
            try FileManager.default.removeItem(at: workspace.folder.appendingPathComponent("runs/job/checkpoints"))
            let result = try await workspace.work(job, ranks: 2, Self.settings, environment: Self.environment)
            #expect(!result.standardOutput.contains("resuming"), "\(result)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: try hosts(workspace)[0].path).count == 2)
        }
    }

    @Test func hostsMustNotHaveTheFolderInCommon() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2)
            let result = try await workspace.attempt(
                job, ranks: 2, ["checkpoint.localFolder=local", "checkpoint.localEvery=5"],
                environment: Self.environment)
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.standardError.contains("is the same folder on "), "\(result)")
            #expect(result.standardError.contains("put {host} into it"), "\(result)")
            let half = try await workspace.attempt(job, ranks: 1, ["parallelism.data=1", "checkpoint.localEvery=5"])
            #expect(half.exitCode == 65, "\(half)")
            #expect(half.standardError.contains("checkpoint.localFolder is not given"), "\(half)")
        }
    }
}
