import Autograd
import Parallelism
import TestSupport
import Testing

@Suite struct ContextParallelTests {
    @Test(arguments: [2, 3, 4]) func everyTokenIsOnOneRank(_ ranks: Int) {
        let length = 12 * ranks
        let parts = (0..<ranks).map { TokenPositions.part($0, of: ranks, sequenceLength: length) }
        let positions = parts.flatMap { part in (0..<part.sequenceLength).map(part.position) }
        #expect(positions.sorted() == Array(0..<length))
    }

    /// The sum over a rank's queries of the keys that they see.
    @Test(arguments: [2, 3, 4]) func everyRankHasTheSameWork(_ ranks: Int) {
        let work = (0..<ranks).map { rank in
            let part = TokenPositions.part(rank, of: ranks, sequenceLength: 12 * ranks)
            return (0..<part.sequenceLength).reduce(0) { $0 + part.position(ofRow: $1) + 1 }
        }
        #expect(Set(work).count == 1)
    }

    @Test func oneRankHasWholeSequences() {
        #expect(TokenPositions.part(0, of: 1, sequenceLength: 7) == TokenPositions(sequenceLength: 7))
    }

    /// See Tests/CollectivesScenarios/AttentionChecks.swift.
    @Test(arguments: [2, 4]) func attentionAndItsGradientsAreThoseOfWholeSequences(_ ranks: Int) async throws {
        let result = try await runDistributed(
            worldSize: ranks, program: "collectives-scenarios", arguments: ["attention"])
        #expect(result.isSuccess, "\(result)")
        #expect(result.standardOutput.contains("attention is the same on \(ranks) ranks"), "\(result)")
    }

    /// Each rank on a host of its own.
    @Test func keysAndValuesTravelBetweenHosts() async throws {
        let result = try await runDistributed(
            worldSize: 2, program: "collectives-scenarios", arguments: ["attention"],
            environment: ["APUS_RANKS_PER_HOST": "1"])
        #expect(result.isSuccess, "\(result)")
    }
}
