import Foundation
import TestSupport
import Testing

/// `training.determinism: topology`: the same bits on any number of replicas and threads, under real mpirun.
@Suite(.serialized) struct DeterminismTests {
    /// One way to run a job.
    struct Way: Sendable {
        var ranks: Int
        var threads = 1
        var options: [String] = []
        var environment: [String: String] = [:]
    }

    /// What a run computed, as bits.
    private struct Outcome: Equatable {
        var losses: [UInt64]
        var validationLosses: [UInt64]
        var tensors: [String: [UInt32]]

        init(_ run: String, in workspace: TrainingWorkspace) throws {
            losses = try workspace.losses(run).map(\.bitPattern)
            validationLosses = try workspace.validationLosses(run).map(\.bitPattern)
            tensors = try workspace.tensors(run).mapValues { $0.map(\.bitPattern) }
        }
    }

    /// Runs a job in several ways and expects the same losses, weights and moments of all.
    private func expectSameBits(
        _ ways: [Way], _ architecture: TrainingWorkspace.Architecture, tensor: Int = 1, steps: Int,
        microBatchSize: Int = 2, _ options: [String]
    ) async throws {
        try await withTrainingWorkspace { workspace in
            var outcomes: [Outcome] = []
            for (index, way) in ways.enumerated() {
                let job = try workspace.writeJob(
                    "way\(index)", architecture, data: way.ranks / tensor, tensor: tensor, steps: steps, dropout: 0.1,
                    microBatchSize: microBatchSize)
                try await workspace.work(
                    job, ranks: way.ranks,
                    ["training.determinism=topology", "launch.threadsPerRank=\(way.threads)"] + options + way.options,
                    environment: way.environment)
                outcomes.append(try Outcome("way\(index)", in: workspace))
            }
            #expect(outcomes[0].losses.count == steps)
            #expect(!outcomes[0].validationLosses.isEmpty)
            for index in outcomes.indices.dropFirst() {
                // Not the arrays themselves: a difference would print them all.
                let (isSame, way) = (outcomes[index] == outcomes[0], ways[index])
                #expect(isSame, "\(way) differs from \(ways[0])")
            }
        }
    }

    @Test func ranksThreadsAndAccumulationDoNotShow() async throws {
        try await expectSameBits(
            [Way(ranks: 1, threads: 2), Way(ranks: 2), Way(ranks: 4, threads: 3)], .llama, steps: 10, microBatchSize: 1,
            ["optimizer.momentPrecision=bfloat16"])
    }

    /// Gradients are exchanged while the backward pass goes on, and are complete before they are.
    @Test func hostsAndOverlapDoNotShow() async throws {
        let (apart, pairs) = (["APUS_RANKS_PER_HOST": "1"], ["APUS_RANKS_PER_HOST": "2"])
        try await expectSameBits(
            [
                Way(ranks: 1), Way(ranks: 2, environment: apart),
                Way(ranks: 2, options: ["parallelism.overlap=on"]), Way(ranks: 4, environment: pairs),
                Way(ranks: 2, options: ["parallelism.overlap=off"], environment: apart),
            ],
            // Wide enough for a few buckets.
            .gpt2, steps: 4, ["model.hiddenSize=256"])
    }

    /// Six micro-batches are four and two; three ranks have two each.
    @Test func aTreeNeedNotBeFull() async throws {
        try await expectSameBits(
            [Way(ranks: 1), Way(ranks: 3)], .gpt2, steps: 6, ["training.globalBatchSize=12"])
    }

    @Test func replicasOfATensorParallelModelDoNotShow() async throws {
        try await expectSameBits([Way(ranks: 2), Way(ranks: 4)], .llama, tensor: 2, steps: 6, [])
    }

    @Test func aKilledRunGoesOnElsewhereWithTheSameBits() async throws {
        try await withTrainingWorkspace { workspace in
            let options = [
                "training.determinism=topology", "training.globalBatchSize=8", "checkpoint.every=20",
                "evaluation.every=0",
            ]
            let whole = try workspace.writeJob("whole", .gpt2, steps: 200, dropout: 0.1)
            try await workspace.work(whole, ranks: 1, options)

            let arguments = { (job: String) in ["worker", job] + options.flatMap { ["--set", $0] } }
            for (ranks, step) in [(2, 30), (4, 90)] {
                let job = try workspace.writeJob("moved", .gpt2, data: ranks, steps: 200, dropout: 0.1)
                let killed = try await runDistributed(
                    worldSize: ranks, program: "apus", arguments: arguments(job), workingDirectory: workspace.folder
                ) { program in
                    try await program.waitForOutput("\(step)/200")
                    for rank in try children(of: program.processIdentifier) { kill(rank, SIGKILL) }
                    try await program.killUnlessEnded(within: .seconds(10))
                }
                #expect(!killed.isSuccess)
            }
            let last = try workspace.writeJob("moved", .gpt2, steps: 200, dropout: 0.1)
            try await workspace.work(last, ranks: 1, options)
            let isSame = try Outcome("moved", in: workspace) == Outcome("whole", in: workspace)
            #expect(isSame)
        }
    }

    /// The processes that `parent` has started.
    private func children(of parent: Int32) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { process in
            // "pid (name) state parent …"; the process may have ended meanwhile.
            let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            return status?.split(separator: ")").last?.split(separator: " ").dropFirst().first == "\(parent)"
        }
    }

    @Test func comparingHealthyReplicasChangesNothing() async throws {
        try await withTrainingWorkspace { workspace in
            let check = "training.replicaCheckEvery=3"
            let apart = try workspace.writeJob("apart", .llama, data: 4, steps: 10, dropout: 0.1)
            let result = try await workspace.work(
                apart, ranks: 4, [check, "optimizer.momentPrecision=bfloat16"],
                environment: ["APUS_RANKS_PER_HOST": "1"])
            #expect(!result.output.contains("nothing to compare"))
            let together = try workspace.writeJob("together", .llama, data: 4, steps: 10, dropout: 0.1)
            let warned = try await workspace.work(together, ranks: 4, [check, "optimizer.momentPrecision=bfloat16"])
            #expect(warned.output.contains("so there is nothing to compare"))
            let isSame = try Outcome("apart", in: workspace) == Outcome("together", in: workspace)
            #expect(isSame)
        }
    }

    @Test func ranksThatCannotKeepThePromiseAreRefused() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("uneven", .gpt2)
            let result = try await workspace.attempt(
                job, ranks: 2,
                ["training.determinism=topology", "parallelism.data=auto", "training.globalBatchSize=12"])
            #expect(result.exitCode == 65)
            #expect(result.standardError.contains("3 is not a power of two"), "\(result)")
            #expect(result.standardError.contains("set training.globalBatchSize to 8 or 16"), "\(result)")
        }
    }
}
