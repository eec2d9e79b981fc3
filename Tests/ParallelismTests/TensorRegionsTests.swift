import TestSupport
import Testing

@Suite struct TensorRegionsTests {
    /// See Tests/CollectivesScenarios/RegionChecks.swift.
    @Test(arguments: [2, 4]) func aLayerAndItsGradientsAreThoseOfOneRank(_ ranks: Int) async throws {
        let result = try await runDistributed(
            worldSize: ranks, program: "collectives-scenarios", arguments: ["regions"])
        #expect(result.isSuccess, "\(result)")
        #expect(result.standardOutput.contains("regions are the same on \(ranks) ranks"), "\(result)")
    }
}
