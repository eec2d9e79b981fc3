import TestSupport
import Testing

/// Activations computed again: see Tests/TrainingScenarios/RecomputationScenario.swift, which compares the bits.
@Suite struct RecomputationTests {
    private struct Line {
        let model: Substring
        let checksum: Substring
        /// Of activations: without recomputation, selective, full.
        let bytes: [Int]

        init(_ line: Substring) throws {
            let match = try #require(line.wholeMatch(of: /(.+): checksum ([0-9a-f]+), bytes ([0-9 ]+)/))
            (model, checksum) = (match.1, match.2)
            bytes = match.3.split(separator: " ").compactMap { Int($0) }
        }
    }

    private func lines(
        data: Int = 1, tensor: Int = 1, threads: Int = 1, context: Int = 1, _ options: [String] = []
    ) async throws -> [Line] {
        let result = try await runDistributed(
            worldSize: data * tensor * context, program: "training-scenarios",
            arguments: ["recomputation", "\(data)", "\(tensor)", "\(threads)", "context=\(context)"] + options)
        #expect(result.isSuccess, "\(result)")
        return try result.standardOutput.split(separator: "\n").map(Line.init)
    }

    @Test func everyModeAndThreadCountGivesTheSameBits() async throws {
        let one = try await lines()
        #expect(one.count == 4)
        for threads in [2, 4] {
            #expect(try await lines(threads: threads).map(\.checksum) == one.map(\.checksum), "\(threads) threads")
        }
    }

    @Test func everyModeGivesTheSameBitsOnReplicas() async throws { #expect(try await lines(data: 2).count == 4) }

    @Test func everyModeGivesTheSameBitsOnPartsOfAModel() async throws {
        #expect(try await lines(tensor: 2, threads: 2).count == 4)
    }

    @Test func everyModeGivesTheSameBitsWhereTokensAreSharedOut() async throws {
        #expect(try await lines(context: 2, ["heads"]).count == 4)
        #expect(try await lines(tensor: 2, context: 2, ["sequence"]).count == 4)
    }

    @Test func everyModeTakesLessMemoryThanTheOneBefore() async throws {
        for line in try await lines(threads: 2) where line.model.hasSuffix("small") {
            #expect(line.bytes[1] < line.bytes[0] * 9 / 10, "\(line.model): \(line.bytes)")
            #expect(line.bytes[2] < line.bytes[1] * 9 / 10, "\(line.model): \(line.bytes)")
        }
    }
}
