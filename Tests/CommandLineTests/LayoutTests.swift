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

    @Test func fourRanksOfTensorParallelism() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("dense", .gpt2), ranks: 1)
            try await workspace.work(try workspace.writeJob("tensor4", .gpt2, tensor: 4), ranks: 4)
            #expect(
                largestDifference(try workspace.losses("dense"), try workspace.losses("tensor4")) <= 1e-4)
        }
    }
}
