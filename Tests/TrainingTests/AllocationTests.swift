import TestSupport
import Testing

/// From the third step on, training takes nothing from the heap: see Tests/TrainingScenarios/AllocationScenario.swift.
@Suite struct AllocationTests {
    @Test(arguments: [(1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 2, 1)])
    func stepsAfterTheSecondAllocateNothing(data: Int, tensor: Int, threads: Int) async throws {
        try await expectNone(
            ["allocations", "\(data)", "\(tensor)", "\(threads)"], ranks: data * tensor, lineCount: 16)
    }

    @Test func stepsThatShareOutTokensAllocateNothing() async throws {
        // The MPI library takes memory for a message that comes before it is asked for, and keeps it. What every step takes
        // shows six times.
        try await expectNone(
            ["allocations", "1", "2", "1", "context=2", "sequence"], ranks: 4, lineCount: 16, tolerated: 5)
        try await expectNone(
            ["allocations", "1", "1", "1", "context=2", "heads"], ranks: 2, lineCount: 16, tolerated: 5)
    }

    @Test func stepsOfPipelinesAllocateNothing() async throws {
        try await expectNone(["pipeline", "2", "1"], ranks: 2, lineCount: 8)
    }

    private func expectNone(_ arguments: [String], ranks: Int, lineCount: Int, tolerated: Int = 0) async throws {
        let result = try await runDistributed(
            worldSize: ranks, program: "training-scenarios", arguments: arguments)
        #expect(result.isSuccess, "\(result)")
        let lines = result.standardOutput.split(separator: "\n")
        #expect(lines.count == lineCount, "\(result)")
        for line in lines {
            let match = try #require(line.wholeMatch(of: /.+: allocations ([0-9]+), page faults ([0-9]+)/), "\(line)")
            #expect(Int(match.1)! <= tolerated, "\(line)")
            // The system may take a page away and give it back, or put pages together into a large one: seldom, and
            // not once a step.
            #expect(Int(match.2)! < (tolerated == 0 ? 10 : 30), "\(line)")
        }
    }
}
