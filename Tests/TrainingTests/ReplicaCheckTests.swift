import TestSupport
import Testing

/// One flipped bit is found and its place named: see Tests/TrainingScenarios/ReplicaScenario.swift.
@Suite struct ReplicaCheckTests {
    private func verdict(
        data: Int, tensor: Int = 1, corrupting rank: Int, environment: [String: String]
    ) async throws -> (compares: Bool, verdict: String) {
        let result = try await runDistributed(
            worldSize: data * tensor, program: "training-scenarios",
            arguments: ["replicas", "\(data)", "\(tensor)", "2", "\(rank)"], environment: environment)
        try #require(result.isSuccess, "\(result)")
        let lines = result.standardOutput.split(separator: "\n", maxSplits: 1)
        try #require(lines.count == 2, "\(result)")
        return (lines[0] == "compares true", String(lines[1]))
    }

    @Test(arguments: [(3, 1), (4, 2)]) func theOddOneIsNamed(ranks: Int, corrupt: Int) async throws {
        let found = try await verdict(data: ranks, corrupting: corrupt, environment: ["APUS_RANKS_PER_HOST": "1"])
        #expect(found.compares)
        #expect(found.verdict.contains("comparing the replicas after step 2: the copy of rank \(corrupt) on "))
        #expect(found.verdict.contains("is not like the others in model/"))
        #expect(!found.verdict.contains("more tensors"), "\(found)")
    }

    @Test func ofTwoBothAreNamed() async throws {
        let found = try await verdict(data: 2, corrupting: 1, environment: ["APUS_COLLECTIVES": "mpi"])
        #expect(found.compares)
        #expect(found.verdict.contains("the copies of rank 0 on "))
        #expect(found.verdict.contains(", rank 1 on "))
        #expect(found.verdict.contains("no more than half of them agree"))
    }

    /// Ranks 0 and 1 have one copy, ranks 2 and 3 another: a copy goes by its first rank.
    @Test func aCopyThatIsSharedIsHashedByItsSharers() async throws {
        let found = try await verdict(data: 4, corrupting: 3, environment: ["APUS_RANKS_PER_HOST": "2"])
        #expect(found.verdict.contains("the copies of rank 0 on "))
        #expect(found.verdict.contains(", rank 2 on "))
    }

    /// Parameter 1 is the table of positions, which both ranks have whole.
    @Test func tensorParallelRanksAreComparedInWhatTheyHaveWhole() async throws {
        let found = try await verdict(data: 1, tensor: 2, corrupting: 1, environment: [:])
        #expect(found.compares)
        #expect(found.verdict.contains("are not the same in model/"))
    }

    @Test func replicasOfOneHostHaveNothingToCompare() async throws {
        let found = try await verdict(data: 2, corrupting: 1, environment: [:])
        #expect(!found.compares)
        #expect(found.verdict.contains("all the same"))
    }
}
