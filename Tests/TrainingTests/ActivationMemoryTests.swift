import TestSupport
import Testing

/// What ranks that share out tokens need for activations: see Tests/TrainingScenarios/MemoryScenario.swift.
@Suite struct ActivationMemoryTests {
    private func bytes(ranks: Int, tensor: Int = 1, _ options: [String] = []) async throws -> Double {
        let result = try await runDistributed(
            worldSize: ranks, program: "training-scenarios", arguments: ["memory", "1", "\(tensor)", "1"] + options)
        let match = try #require(
            result.standardOutput.firstMatch(of: /activations: ([0-9]+) bytes/), "\(result)")
        return try #require(Double(match.1))
    }

    @Test func ranksThatShareOutTokensTakeTheirShare() async throws {
        let whole = try await bytes(ranks: 1)
        for attention in ["ring", "heads"] {
            let quarter = try await bytes(ranks: 4, ["context=4", attention])
            #expect(quarter < 0.28 * whole, "\(attention): \(quarter) of \(whole)")
        }
        // Tensor parallelism alone shares out what is inside of its regions.
        let tensor = try await bytes(ranks: 2, tensor: 2)
        let sequence = try await bytes(ranks: 2, tensor: 2, ["sequence"])
        #expect(sequence < 0.9 * tensor, "\(sequence) of \(tensor)")
        #expect(sequence < 0.52 * whole, "\(sequence) of \(whole)")
    }
}
