import Checkpointing
import Foundation
import TestSupport
import Testing

/// Saves and reads by the processes of a real MPI job: see Tests/CheckpointScenarios.
@Suite struct DistributedTests {
    private func scenario(_ name: String, _ folder: URL, step: Int, ranks: Int) async throws -> ProgramResult {
        try await runDistributed(
            worldSize: ranks, program: "checkpoint-scenarios", arguments: [name, folder.path, String(step)],
            timeout: .seconds(60))
    }

    @Test(arguments: [(2, 4), (4, 1), (1, 2)])
    func anyNumberOfRanksReadsWhatAnyOtherSaved(writers: Int, readers: Int) async throws {
        try await withTemporaryFolder { folder in
            for step in [10, 20] {
                let saved = try await scenario("save", folder, step: step, ranks: writers)
                #expect(saved.isSuccess, "\(saved)")
            }
            let reader = try CheckpointReader(folder.path)
            #expect(reader.manifest.step == 20)
            #expect(reader.manifest.ranks == writers)
            #expect(reader.manifest.files.count == writers)
            #expect(reader.verify() == [])
            let read = try await scenario("read", folder, step: 20, ranks: readers)
            #expect(read.isSuccess, "\(read)")
        }
    }

    /// One rank cannot write: all of them say so, none hangs, and the checkpoint before stays the latest.
    @Test(arguments: [2, 4])
    func aRankThatCannotWriteFailsTheSaveOnAllRanks(ranks: Int) async throws {
        try await withTemporaryFolder { folder in
            let saved = try await scenario("save", folder, step: 10, ranks: ranks)
            #expect(saved.isSuccess, "\(saved)")
            let failed = try await scenario("saveOverLimit", folder, step: 20, ranks: ranks)
            #expect(failed.exitCode == 1, "\(failed)")
            let messages = failed.standardOutput.split(separator: "\n").filter { $0.hasPrefix("failed: ") }
            #expect(messages.count == ranks, "\(failed)")
            #expect(Set(messages).count == 1, "\(failed)")
            #expect(messages.first?.contains("rank \(ranks - 1) could not write \(folder.path)") == true, "\(failed)")
            #expect(messages.first?.contains("File too large") == true, "\(failed)")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(names == ["latest", "step-000010"])
            let read = try await scenario("read", folder, step: 10, ranks: ranks)
            #expect(read.isSuccess, "\(read)")
        }
    }
}
