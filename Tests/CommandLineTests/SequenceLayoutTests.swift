import Foundation
import TestSupport
import Testing

/// Runs whose tokens are shared out equal dense runs, under real mpirun.
@Suite(.serialized) struct SequenceLayoutTests {
    /// A way to share out tokens, and the ranks that it takes.
    private struct Layout {
        var name: String
        var ranks: Int
        var overrides: [String]

        init(_ name: String, ranks: Int, _ parallelism: String, _ more: String...) {
            self.name = name
            self.ranks = ranks
            overrides = ["parallelism={\(parallelism)}"] + more
        }
    }

    private func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
        a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? .infinity : .infinity
    }

    private func expectDense(
        _ layouts: [Layout], _ architecture: TrainingWorkspace.Architecture, dropout: Double
    ) async throws {
        try await withTrainingWorkspace { workspace in
            let dense = try workspace.writeJob("dense", architecture, steps: 10, dropout: dropout)
            try await workspace.work(dense, ranks: 1)
            let losses = try workspace.losses("dense")
            #expect(losses.count == 10)
            #expect(losses[9] < losses[0] - 0.3)
            for layout in layouts {
                let job = try workspace.writeJob(layout.name, architecture, steps: 10, dropout: dropout)
                try await workspace.work(job, ranks: layout.ranks, layout.overrides)
                #expect(
                    largestDifference(losses, try workspace.losses(layout.name)) <= 1e-4, "losses, \(layout.name)")
                #expect(
                    largestDifference(
                        try workspace.validationLosses("dense"), try workspace.validationLosses(layout.name)) <= 1e-4,
                    "validation, \(layout.name)")
            }
        }
    }

    @Test func gptWithDropoutEqualsDense() async throws {
        try await expectDense(
            [
                Layout("sequence", ranks: 2, "tensor: 2, sequence: true"),
                Layout("ring4", ranks: 4, "context: 4", "training.microBatchSize=1"),
                Layout("dataRing", ranks: 4, "data: 2, context: 2"),
                Layout("stagesSequence", ranks: 4, "pipeline: 2, tensor: 2, sequence: true, schedule: zero-bubble"),
                Layout("headsSequence", ranks: 4, "context: 2, contextAttention: heads, tensor: 2, sequence: true"),
            ], .gpt2, dropout: 0.1)
    }

    @Test func llamaEqualsDense() async throws {
        try await expectDense(
            [
                Layout("sequence", ranks: 2, "tensor: 2, sequence: true", "training.recomputation=full"),
                Layout("heads", ranks: 2, "context: 2, contextAttention: heads"),
                Layout("ringTensor", ranks: 4, "context: 2, tensor: 2", "training.recomputation=full"),
                Layout("ringStages", ranks: 4, "context: 2, pipeline: 2"),
                Layout("dataSequence", ranks: 4, "data: 2, tensor: 2, sequence: true, overlap: on"),
            ], .llama, dropout: 0)
    }

    /// Each rank on a host of its own: gradients are exchanged in the background of rings that go round.
    @Test func hostsDoNotShow() async throws {
        try await withTrainingWorkspace { workspace in
            let layout = Layout("", ranks: 4, "context: 2, tensor: 2, sequence: true")
            for (name, environment) in [("shared", [:]), ("apart", ["APUS_RANKS_PER_HOST": "1"])] {
                let job = try workspace.writeJob(name, .gpt2, steps: 4, dropout: 0.1)
                try await workspace.work(job, ranks: layout.ranks, layout.overrides, environment: environment)
            }
            #expect(try workspace.losses("shared") == workspace.losses("apart"))
            #expect(try workspace.tensors("shared") == workspace.tensors("apart"))
        }
    }

    @Test func checkpointsMoveToAndFromParts() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("whole", .llama), ranks: 1)
            let moving = try workspace.writeJob("moving", .llama)
            try await workspace.work(
                moving, ranks: 4,
                ["training.steps=6", "parallelism={context: 2, tensor: 2, sequence: true}"])
            try await workspace.work(moving, ranks: 1, ["training.steps=12"])
            try await workspace.work(moving, ranks: 2, ["parallelism={context: 2, contextAttention: heads}"])
            #expect(largestDifference(try workspace.losses("whole"), try workspace.losses("moving")) <= 1e-4)
        }
    }

    @Test func whatCannotBeSharedOutIsRefused() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .llama)
            for (overrides, message) in [
                (
                    ["parallelism={context: 2}", "training.sequenceLength=30"],
                    "not a multiple of 2 × parallelism.context"
                ),
                (["parallelism={sequence: true}"], "but parallelism.tensor is 1"),
                (["parallelism={contextAttention: rings}"], "ring"),
            ] {
                let result = try await workspace.attempt(job, ranks: 1, overrides)
                #expect(result.exitCode == 65, "\(result)")
                #expect(result.standardError.contains(message), "\(result)")
            }
        }
    }
}
