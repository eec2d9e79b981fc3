import Foundation
import TestSupport
import Testing

/// Pipelines equal the dense model, under real mpirun. What each schedule does is tested with `PipelineSchedule`.
@Suite(.serialized) struct PipelineTests {
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

    private static func options(pipeline: Int, _ schedule: String, virtualStages: Int = 1) -> [String] {
        [
            "parallelism.pipeline=\(pipeline)", "parallelism.schedule=\(schedule)",
            "parallelism.virtualStages=\(virtualStages)",
        ]
    }

    /// Five blocks: uneven stages. Clipped gradients: the norm is that of the whole model, to the bit.
    private static let common = [
        "model.layers=5", "training.determinism=topology", "optimizer.gradientClip=0.5", "evaluation.every=4",
    ]

    private func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
        a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? .infinity : .infinity
    }

    private func largestDifference(_ a: [String: [Float]], _ b: [String: [Float]], of kind: String) -> Float {
        guard a.keys == b.keys else { return .infinity }
        return a.filter { $0.key.hasPrefix(kind) }.map { name, values in
            zip(values, b[name]!).map { abs($0 - $1) }.max() ?? 0
        }.max() ?? .infinity
    }

    /// Untied embeddings: every gradient is computed whole on one stage, with the operations of the dense run.
    @Test func everyScheduleHasTheBitsOfTheDenseRun() async throws {
        try await withTrainingWorkspace { workspace in
            func run(_ name: String, ranks: Int, data: Int = 1, tensor: Int = 1, _ options: [String]) async throws {
                let job = try workspace.writeJob(
                    name, .llama, data: data, tensor: tensor, steps: 6, dropout: 0.1)
                try await workspace.work(job, ranks: ranks, Self.common + options)
            }
            try await run("dense", ranks: 1, [])
            let dense = try Outcome("dense", in: workspace)
            #expect(dense.losses.count == 6 && !dense.validationLosses.isEmpty)
            let ways: [(name: String, ranks: Int, data: Int, options: [String])] = [
                ("gpipe2", 2, 1, Self.options(pipeline: 2, "gpipe")),
                ("1f1b2", 2, 1, Self.options(pipeline: 2, "1f1b") + ["training.recomputation=full"]),
                ("1f1b4", 4, 1, Self.options(pipeline: 4, "1f1b")),
                ("interleaved", 2, 1, Self.options(pipeline: 2, "interleaved", virtualStages: 2)),
                ("zero2", 2, 1, Self.options(pipeline: 2, "zero-bubble") + ["training.recomputation=full"]),
                ("zero4", 4, 1, Self.options(pipeline: 4, "zero-bubble")),
                ("data2", 4, 2, Self.options(pipeline: 2, "1f1b")),
                ("data2zero", 4, 2, Self.options(pipeline: 2, "zero-bubble") + ["launch.threadsPerRank=2"]),
                (
                    "data2overlap", 4, 2,
                    Self.options(pipeline: 2, "interleaved", virtualStages: 2) + ["parallelism.overlap=on"]
                ),
            ]
            for way in ways {
                try await run(way.name, ranks: way.ranks, data: way.data, way.options)
                // Not the outcomes themselves: a difference would print them all.
                let isSame = try Outcome(way.name, in: workspace) == dense
                #expect(isSame, "\(way.name) differs from the dense run")
            }

            // Tensor parallelism has its own order of sums; the pipeline adds nothing to it.
            try await run("tensor", ranks: 2, tensor: 2, [])
            try await run("both", ranks: 4, tensor: 2, Self.options(pipeline: 2, "zero-bubble"))
            let isSame = try Outcome("both", in: workspace) == Outcome("tensor", in: workspace)
            #expect(isSame, "pipeline × tensor differs from tensor")
        }
    }

    /// Two stages add up their gradients of a tied embedding before they add them to each other's, where the dense run
    /// adds both micro-batch by micro-batch: the same sum in another order. Both stages end with the same bits, which the
    /// comparison of copies sees.
    @Test func tiedEmbeddingsDifferByRoundingAlone() async throws {
        try await withTrainingWorkspace { workspace in
            let check = ["training.replicaCheckEvery=2", "training.determinism=topology", "model.layers=5"]
            try await workspace.work(try workspace.writeJob("dense", .gpt2, steps: 8, dropout: 0.1), ranks: 1, check)
            let (losses, tensors) = (try workspace.losses("dense"), try workspace.tensors("dense"))
            let ways: [(name: String, ranks: Int, data: Int, tensor: Int, options: [String])] = [
                ("gpipe", 2, 1, 1, Self.options(pipeline: 2, "gpipe")),
                ("1f1b", 4, 1, 1, Self.options(pipeline: 4, "1f1b")),
                ("zero", 4, 2, 1, Self.options(pipeline: 2, "zero-bubble")),
                ("interleaved", 4, 1, 2, Self.options(pipeline: 2, "interleaved", virtualStages: 2)),
            ]
            for way in ways {
                let job = try workspace.writeJob(
                    way.name, .gpt2, data: way.data, tensor: way.tensor, steps: 8, dropout: 0.1)
                let result = try await workspace.work(job, ranks: way.ranks, check + way.options)
                #expect(!result.output.contains("nothing to compare"))
                #expect(largestDifference(try workspace.losses(way.name), losses) <= 1e-4, "\(way.name)")
                let others = try workspace.tensors(way.name)
                #expect(largestDifference(others, tensors, of: "model/") <= 1e-4, "\(way.name)")
            }
        }
    }

    @Test func fastSumsDifferByRoundingAlone() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("dense", .llama, steps: 6), ranks: 1)
            let job = try workspace.writeJob("pipeline", .llama, data: 2, steps: 6)
            try await workspace.work(job, ranks: 4, Self.options(pipeline: 2, "zero-bubble"))
            #expect(largestDifference(try workspace.losses("dense"), try workspace.losses("pipeline")) <= 1e-5)
        }
    }

    /// A run moves from two stages to one rank to four stages, and ends with the bits of one that never moved.
    @Test func checkpointsMoveBetweenPipelines() async throws {
        try await withTrainingWorkspace { workspace in
            func run(_ name: String, steps: Int, ranks: Int, _ options: [String]) async throws {
                let job = try workspace.writeJob(name, .llama, steps: steps, dropout: 0.1)
                try await workspace.work(job, ranks: ranks, Self.common + ["checkpoint.every=4"] + options)
            }
            try await run("whole", steps: 12, ranks: 1, [])
            try await run("moved", steps: 4, ranks: 2, Self.options(pipeline: 2, "interleaved", virtualStages: 2))
            try await run("moved", steps: 8, ranks: 1, [])
            try await run("moved", steps: 12, ranks: 4, Self.options(pipeline: 4, "zero-bubble"))
            let isSame = try workspace.tensors("moved") == workspace.tensors("whole")
            #expect(isSame)
            // Tied ones too: each is written once, whoever holds it.
            try await workspace.work(
                try workspace.writeJob("tied", .gpt2, steps: 4), ranks: 2, Self.options(pipeline: 2, "1f1b"))
            try await workspace.work(try workspace.writeJob("tied", .gpt2, steps: 5), ranks: 1)
            try await workspace.work(
                try workspace.writeJob("tied", .gpt2, data: 2, steps: 6), ranks: 4, Self.options(pipeline: 2, "gpipe"))
            #expect(try workspace.losses("tied").count == 6)
        }
    }

    @Test func badInputIsToldOnce() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("bad", .gpt2)
            let deep = try await workspace.attempt(job, ranks: 2, ["parallelism.pipeline=3"])
            #expect(deep.exitCode == 65)
            #expect(
                deep.standardError.contains("parallelism.pipeline is 3, more stages than model.layers, 2"), "\(deep)")
            // Known only when the ranks are.
            let few = try await workspace.attempt(
                job, ranks: 2, ["parallelism.pipeline=2", "training.microBatchSize=8"])
            #expect(few.exitCode == 65)
            #expect(few.standardError.contains("fewer than the 2 stages of parallelism.pipeline"), "\(few)")
            #expect(few.standardError.components(separatedBy: "fewer than").count == 2, "\(few)")
            let alone = try await workspace.attempt(job, ranks: 1, ["parallelism.pipeline=2"])
            #expect(alone.exitCode == 65)
            #expect(alone.standardError.contains("1 (data) × 2 (pipeline) × 1 (tensor) = 2 ranks, but 1 was started"))
        }
    }

    // MARK: Planning

    @Test func aPlanSaysWhoHoldsWhat() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("plan", .gpt2, data: 2)
            let picture = workspace.folder.appendingPathComponent("schedule.svg")
            let result = try await workspace.apus(
                [
                    "plan", job, "--mesh", "--schedule", "schedule.svg", "--set", "parallelism.pipeline=2", "--set",
                    "parallelism.tensor=2", "--set", "parallelism.schedule=zero-bubble",
                ])
            #expect(result.standardOutput.contains("data 2 × pipeline 2 × tensor 2 = 8 ranks"), "\(result)")
            #expect(result.standardOutput.contains("embedding, block 0, 1/2 of what is split"), "\(result)")
            #expect(result.standardOutput.contains("block 1, head, 1/2 of what is split"), "\(result)")
            #expect(result.standardOutput.contains("schedule: zero-bubble, 2 stages, 2 micro-batches"), "\(result)")
            let svg = try String(contentsOf: picture, encoding: .utf8)
            #expect(svg.hasPrefix("<svg ") && svg.contains("stage 1</text>"))

            let none = try await run(
                "apus", ["plan", job, "--schedule", "x.svg"], workingDirectory: workspace.folder)
            #expect(none.exitCode == 65)
            #expect(none.standardError.contains("parallelism.pipeline is 1: there is one stage"), "\(none)")
            let nowhere = try await run(
                "apus", ["plan", job, "--schedule", "no/where.svg", "--set", "parallelism.pipeline=2"],
                workingDirectory: workspace.folder)
            #expect(nowhere.exitCode == 65)
            #expect(nowhere.standardError.contains("writing no/where.svg"), "\(nowhere)")
        }
    }
}
