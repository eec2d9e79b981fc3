import Foundation
import TestSupport
import Testing

/// Sharded equals dense, under real mpirun.
@Suite(.serialized) struct LayoutTests {
    private func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
        a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? .infinity : .infinity
    }

    @Test(arguments: TrainingWorkspace.Architecture.allCases)
    func lossesDoNotDependOnTheLayout(_ architecture: TrainingWorkspace.Architecture) async throws {
        try await withTrainingWorkspace { workspace in
            for (data, tensor) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
                let job = try workspace.writeJob("d\(data)t\(tensor)", architecture, data: data, tensor: tensor)
                try await workspace.work(job, ranks: data * tensor)
            }
            let dense = try workspace.losses("d1t1")
            #expect(dense.count == 20)
            #expect(dense[19] < dense[0] - 0.5)
            #expect(largestDifference(dense, try workspace.losses("d2t1")) <= 1e-5)
            #expect(largestDifference(dense, try workspace.losses("d1t2")) <= 1e-4)
            #expect(largestDifference(dense, try workspace.losses("d2t2")) <= 1e-4)
            #expect(
                largestDifference(
                    try workspace.validationLosses("d1t1"), try workspace.validationLosses("d2t2")) <= 1e-4)
        }
    }

    @Test func dropoutDoesNotDependOnTheLayout() async throws {
        try await withTrainingWorkspace { workspace in
            for (data, tensor) in [(1, 1), (2, 1), (1, 2)] {
                let job = try workspace.writeJob(
                    "d\(data)t\(tensor)", .gpt2, data: data, tensor: tensor, dropout: 0.1)
                try await workspace.work(job, ranks: data * tensor)
            }
            let dense = try workspace.losses("d1t1")
            #expect(largestDifference(dense, try workspace.losses("d2t1")) <= 1e-5)
            #expect(largestDifference(dense, try workspace.losses("d1t2")) <= 1e-4)
        }
    }

    /// Replicated parameters must stay the same on all tensor-parallel ranks, however their moments are rounded.
    @Test func momentsInBFloat16DependLittleOnTheLayout() async throws {
        try await withTrainingWorkspace { workspace in
            for (data, tensor) in [(1, 1), (2, 1), (1, 2)] {
                let job = try workspace.writeJob("d\(data)t\(tensor)", .llama, data: data, tensor: tensor)
                try await workspace.work(job, ranks: data * tensor, ["optimizer.momentPrecision=bfloat16"])
            }
            let dense = try workspace.losses("d1t1")
            #expect(dense[19] < dense[0] - 0.5)
            #expect(largestDifference(dense, try workspace.losses("d2t1")) <= 1e-4)
            #expect(largestDifference(dense, try workspace.losses("d1t2")) <= 2e-2)
        }
    }

    @Test func gradientAccumulationEqualsOneLargeBatch() async throws {
        try await withTrainingWorkspace { workspace in
            for size in [1, 4, 8] {
                try await workspace.work(
                    try workspace.writeJob("micro\(size)", .llama, microBatchSize: size), ranks: 1)
            }
            let whole = try workspace.losses("micro8")
            #expect(largestDifference(whole, try workspace.losses("micro1")) <= 1e-5)
            #expect(largestDifference(whole, try workspace.losses("micro4")) <= 1e-5)
        }
    }

    /// Replicas of one host share memory and divide the update; those of several exchange messages. Nobody sees it.
    @Test(arguments: [2, 4]) func howReplicasExchangeDoesNotShow(_ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let ways: [(name: String, environment: [String: String], overlap: String)] = [
                ("shared", [:], "auto"), ("sharedOverlapping", [:], "on"),
                ("messages", ["APUS_COLLECTIVES": "mpi"], "auto"),
                ("apart", ["APUS_RANKS_PER_HOST": "1"], "auto"), ("apartAfter", ["APUS_RANKS_PER_HOST": "1"], "off"),
                ("pairs", ["APUS_RANKS_PER_HOST": "2"], "auto"), ("pairsAfter", ["APUS_RANKS_PER_HOST": "2"], "off"),
                ("unequal", ["APUS_RANKS_PER_HOST": "3"], "auto"),
            ]
            for way in ways {
                let job = try workspace.writeJob(way.name, .gpt2, data: ranks, steps: 4, dropout: 0.1)
                // Wide enough for a few buckets.
                try await workspace.work(
                    job, ranks: ranks, ["model.hiddenSize=256", "parallelism.overlap=\(way.overlap)"],
                    environment: way.environment)
            }
            let expected = try workspace.tensors("shared")
            let losses = try workspace.losses("shared")
            for way in ways.dropFirst() {
                #expect(try workspace.tensors(way.name) == expected, "\(way.name)")
                #expect(try workspace.losses(way.name) == losses, "\(way.name)")
            }
        }
    }

    /// Rounded gradients change the weights, the same way whether exchanged during or after the backward pass, and hardly
    /// the loss.
    @Test func roundedGradientsTrainNearlyAsWell() async throws {
        try await withTrainingWorkspace { workspace in
            let hosts = ["APUS_RANKS_PER_HOST": "1"]
            for (name, options) in [
                ("exact", []), ("rounded", ["parallelism.gradientExchange=bfloat16"]),
                ("roundedAfter", ["parallelism.gradientExchange=bfloat16", "parallelism.overlap=off"]),
            ] {
                let job = try workspace.writeJob(name, .gpt2, data: 2)
                try await workspace.work(job, ranks: 2, options, environment: hosts)
            }
            let (exact, rounded) = (try workspace.losses("exact"), try workspace.losses("rounded"))
            #expect(exact != rounded)
            #expect(largestDifference(exact, rounded) <= 0.02)
            #expect(try workspace.tensors("rounded") == workspace.tensors("roundedAfter"))
        }
    }

    @Test func fourRanksOfTensorParallelism() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("dense", .gpt2), ranks: 1)
            try await workspace.work(try workspace.writeJob("tensor4", .gpt2, tensor: 4), ranks: 4)
            #expect(
                largestDifference(try workspace.losses("dense"), try workspace.losses("tensor4")) <= 1e-4)
        }
    }
}
