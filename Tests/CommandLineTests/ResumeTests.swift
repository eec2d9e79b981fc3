import Foundation
import TestSupport
import Testing

/// Resume equals uninterrupted, bit for bit, and checkpoints fit every layout.
@Suite(.serialized) struct ResumeTests {
    @Test(arguments: [(1, 1), (2, 1), (1, 2)])
    func resumedRunEqualsUninterruptedRun(_ data: Int, _ tensor: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let ranks = data * tensor
            let whole = try workspace.writeJob("whole", .gpt2, data: data, tensor: tensor, dropout: 0.1)
            try await workspace.work(whole, ranks: ranks)
            let halves = try workspace.writeJob("halves", .gpt2, data: data, tensor: tensor, dropout: 0.1)
            try await workspace.work(halves, ranks: ranks, ["training.steps=10"])
            try await workspace.work(halves, ranks: ranks)
            #expect(try workspace.losses("whole") == workspace.losses("halves"))
            #expect(try workspace.validationLosses("whole") == workspace.validationLosses("halves"))
            #expect(try workspace.tensors("whole") == workspace.tensors("halves"))
        }
    }

    @Test(arguments: TrainingWorkspace.Architecture.allCases)
    func aCheckpointMovesBetweenLayoutsUnchanged(_ architecture: TrainingWorkspace.Architecture) async throws {
        try await withTrainingWorkspace { workspace in
            let first = try workspace.writeJob("first", architecture, data: 2, steps: 10)
            try await workspace.work(first, ranks: 2)
            let second = try workspace.writeJob("second", architecture, tensor: 2, steps: 10)
            try await workspace.work(second, ranks: 2, ["checkpoint.resume=runs/first/checkpoints"])
            let third = try workspace.writeJob("third", architecture, steps: 10)
            try await workspace.work(third, ranks: 1, ["checkpoint.resume=runs/second/checkpoints"])
            let tensors = try workspace.tensors("first")
            #expect(!tensors.isEmpty)
            #expect(try tensors == workspace.tensors("second"))
            #expect(try tensors == workspace.tensors("third"))
        }
    }

    @Test func aRunGoesOnOnAnotherLayout() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("whole", .llama), ranks: 1)
            let moved = try workspace.writeJob("moved", .llama, data: 2, steps: 10)
            try await workspace.work(moved, ranks: 2)
            _ = try workspace.writeJob("moved", .llama, tensor: 2)
            try await workspace.work(moved, ranks: 2)
            let (whole, found) = (try workspace.losses("whole"), try workspace.losses("moved"))
            #expect(found.count == 20)
            #expect(zip(whole, found).allSatisfy { abs($0 - $1) <= 1e-4 })
        }
    }

    /// Moments in bfloat16 resume exactly, also on other ranks of the same host, and load into single precision and back.
    @Test func momentsInBFloat16Resume() async throws {
        try await withTrainingWorkspace { workspace in
            let half = "optimizer.momentPrecision=bfloat16"
            try await workspace.work(try workspace.writeJob("whole", .llama, data: 2, dropout: 0.1), ranks: 2, [half])
            let halves = try workspace.writeJob("halves", .llama, data: 2, dropout: 0.1)
            try await workspace.work(halves, ranks: 2, [half, "training.steps=10"])
            try await workspace.work(halves, ranks: 2, [half])
            #expect(try workspace.losses("whole") == workspace.losses("halves"))
            let tensors = try workspace.tensors("whole")
            #expect(try tensors == workspace.tensors("halves"))

            // Twenty steps are done already: the runs only load and save.
            let single = try workspace.writeJob("single", .llama, dropout: 0.1)
            let moved = try await workspace.work(single, ranks: 1, ["checkpoint.resume=runs/whole/checkpoints"])
            #expect(moved.output.contains("optimizer.momentPrecision is float32 from here on; it was bfloat16"))
            #expect(try workspace.tensors("single") == tensors)
            let back = try workspace.writeJob("back", .llama, tensor: 2, dropout: 0.1)
            try await workspace.work(back, ranks: 2, [half, "checkpoint.resume=runs/single/checkpoints"])
            #expect(try workspace.tensors("back") == tensors)
        }
    }

    @Test func resumeNeverRefusesAnExistingRun() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("once", .gpt2, steps: 5)
            try await workspace.work(job, ranks: 1)
            let again = try await workspace.attempt(job, ranks: 1, ["checkpoint.resume=never"])
            #expect(again.exitCode == 65)
            #expect(again.standardError.contains("checkpoint.resume is never"))
        }
    }
}
