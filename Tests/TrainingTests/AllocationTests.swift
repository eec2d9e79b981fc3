import TestSupport
import Testing

/// From the third step on, training takes nothing from the heap: see Tests/TrainingScenarios/AllocationScenario.swift.
@Suite struct AllocationTests {
    @Test(arguments: [(1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 2, 1)])
    func stepsAfterTheSecondAllocateNothing(data: Int, tensor: Int, threads: Int) async throws {
        try await expectNone(
            ["allocations", "\(data)", "\(tensor)", "\(threads)"], ranks: data * tensor, lineCount: 16)
    }

    @Test(arguments: [
        ["1", "2", "1", "sequence"], ["1", "1", "2", "context=2"], ["1", "1", "1", "context=2", "heads"],
    ])
    func norDoThoseThatShareOutTokens(_ layout: [String]) async throws {
        try await expectNone(["allocations"] + layout, ranks: 2, lineCount: 16)
    }

    @Test func stepsOfPipelinesAllocateNothing() async throws {
        try await expectNone(["pipeline", "2", "1"], ranks: 2, lineCount: 8)
    }

    private func expectNone(_ arguments: [String], ranks: Int, lineCount: Int) async throws {
        let result = try await runDistributed(
            worldSize: ranks, program: "training-scenarios", arguments: arguments)
        #expect(result.isSuccess, "\(result)")
        let lines = result.standardOutput.split(separator: "\n")
        #expect(lines.count == lineCount, "\(result)")
        for line in lines {
            let match = try #require(line.wholeMatch(of: /.+: allocations ([0-9]+), page faults ([0-9]+)/), "\(line)")
            #expect(match.1 == "0", "\(line)")
            // The system may take a page away and give it back, or put pages together into a large one: seldom, and
            // not once a step.
            #expect(Int(match.2)! < 10, "\(line)")
        }
    }
}
