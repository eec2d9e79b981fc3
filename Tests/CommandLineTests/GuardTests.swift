import Foundation
import TestSupport
import Testing
import TokenData

/// Steps whose numbers are wrong, made by learning rates that diverge and by thresholds that call noise a spike.
@Suite(.serialized) struct GuardTests {
    private static let diverging = ["optimizer.learningRate=1e38", "optimizer.gradientClip=0"]
    /// Makes the loss of the tiny model jump now and then: first at step 17, in any layout.
    private static let nervous = ["guards.window=3", "guards.spikeThreshold=2", "optimizer.learningRate=2e-2"]

    private func guarded(_ workspace: TrainingWorkspace, _ run: String) throws -> [[String: Any]] {
        try workspace.metrics(run, kind: "guarded")
    }

    private func numbers(_ events: [[String: Any]], _ key: String) -> [Int] { events.compactMap { $0[key] as? Int } }

    private func words(_ events: [[String: Any]], _ key: String) -> [String] {
        events.compactMap { $0[key] as? String }
    }

    /// Everything about them but when they happened.
    private func texts(_ events: [[String: Any]]) throws -> [String] {
        try events.map { event in
            let rest = event.filter { $0.key != "time" }
            return String(
                decoding: try JSONSerialization.data(withJSONObject: rest, options: .sortedKeys), as: UTF8.self)
        }
    }

    @Test(arguments: [1, 2])
    func aRunThatDivergesStopsAndNamesItsSamples(_ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: ranks)
            let result = try await workspace.attempt(job, ranks: ranks, Self.diverging)
            #expect(result.exitCode == 70, "\(result)")
            #expect(result.standardError.contains("is not a finite number; the weights were not updated"))
            let events = try guarded(workspace, "job")
            #expect(words(events, "action") == ["stop"] && words(events, "cause") == ["non-finite"])
            let first = try #require(numbers(events, "firstSample").first)
            #expect(first == 8 * (try #require(numbers(events, "step").first) - 1))
            #expect(result.standardError.contains("apus data show JOB --sample \(first)..\(first + 7)"))
            let samples = try #require(events[0]["samples"] as? [[String: Any]])
            #expect(numbers(samples, "sample") == Array(first..<first + 8))
            // The numbers lead to the very places.
            let shown = try await workspace.apus(["data", "show", job, "--sample", "\(first)..\(first + 7)"])
            for sample in samples {
                #expect(
                    shown.standardOutput.contains(
                        "sample \(sample["sample"]!): \(sample["file"]!) from token \(sample["token"]!), document"))
            }
        }
    }

    /// What a run came to once it comes to again.
    @Test func theCoordinatorDoesNotStartADivergedRunAgain() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2)
            let result = try await run(
                "apus", ["launch", job] + Self.diverging.flatMap { ["--set", $0] }, workingDirectory: workspace.folder)
            #expect(result.exitCode == 70, "\(result)")
            #expect(result.standardError.contains("is not a finite number; the weights were not updated"), "\(result)")
            #expect(!result.output.contains("restart 1"), "\(result)")
            #expect(words(try guarded(workspace, "job"), "action") == ["stop"])
        }
    }

    @Test(arguments: [1, 2])
    func skippingGoesOnUntilTooManyInARow(_ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: ranks)
            let result = try await workspace.attempt(
                job, ranks: ranks, Self.diverging + ["guards.onNonFinite=skip", "guards.maxSkips=2"])
            #expect(result.exitCode == 70, "\(result)")
            #expect(result.standardError.contains("guards.maxSkips, 2, is the number of skips in a row before it"))
            let events = try guarded(workspace, "job")
            #expect(words(events, "action") == ["skip", "skip", "stop"])
            let first = try #require(numbers(events, "step").first)
            #expect(numbers(events, "step") == [first, first + 1, first + 2])
        }
    }

    /// Five good steps, then a rate that ruins the weights with the sixth, so that the seventh is not finite.
    @Test(arguments: [1, 2])
    func rollingBackSkipsTheDataAndGivesUpInTheEnd(_ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: ranks, steps: 5)
            try await workspace.work(job, ranks: ranks)
            let tensors = try workspace.tensors("job")
            let result = try await workspace.attempt(
                job, ranks: ranks,
                Self.diverging + ["training.steps=9", "guards.onNonFinite=rollback", "guards.maxRollbacks=2"])
            #expect(result.exitCode == 70, "\(result)")
            #expect(result.standardError.contains("guards.maxRollbacks, 2, is the number of rollbacks before it"))
            let events = try guarded(workspace, "job")
            #expect(words(events, "action") == ["rollback", "rollback", "stop"])
            #expect(numbers(events, "step") == [7, 7, 7])
            #expect(numbers(events, "rollbackStep") == [5, 5])
            #expect(numbers(events, "firstSample") == [48, 64, 80])
            #expect(numbers(events, "nextSample") == [56, 72])
            #expect(try workspace.tensors("job") == tensors)
        }
    }

    @Test func thereMustBeACheckpointToGoBackTo() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2)
            let result = try await workspace.attempt(job, ranks: 1, Self.diverging + ["guards.onNonFinite=rollback"])
            #expect(result.exitCode == 70, "\(result)")
            #expect(result.standardError.contains("there is no checkpoint in runs/job/checkpoints to go back to"))
        }
    }

    @Test func aDamagedCheckpointIsPassedOver() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, steps: 6)
            try await workspace.work(job, ranks: 1, ["checkpoint.every=3"])
            let folder = workspace.folder.appendingPathComponent("runs/job/checkpoints")
            let file = folder.appendingPathComponent("step-000003/rank-00000.safetensors")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count - 5] ^= 0x40
            try bytes.write(to: file)
            let result = try await workspace.attempt(
                job, ranks: 1,
                Self.diverging + [
                    "training.steps=9", "guards.onNonFinite=rollback", "guards.maxRollbacks=1",
                    "guards.rollbackCheckpoints=2", "checkpoint.every=3",
                ])
            #expect(result.exitCode == 70)
            #expect(result.output.contains("step-000003"), "\(result)")
            #expect(numbers(try guarded(workspace, "job"), "rollbackStep") == [6])
        }
    }

    @Test(arguments: ["skip", "rollback"], [1, 2])
    func aResumedRunIsGuardedAsAnUninterruptedOne(_ policy: String, _ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let overrides =
                Self.nervous + ["guards.onSpike=\(policy)", "guards.maxRollbacks=100", "checkpoint.every=2"]
            let whole = try workspace.writeJob("whole", .gpt2, data: ranks, dropout: 0.1)
            try await workspace.work(whole, ranks: ranks, overrides)
            let halves = try workspace.writeJob("halves", .gpt2, data: ranks, dropout: 0.1)
            try await workspace.work(halves, ranks: ranks, overrides + ["training.steps=18"])
            try await workspace.work(halves, ranks: ranks, overrides)
            let events = try guarded(workspace, "whole")
            #expect(numbers(events, "step").contains { $0 <= 18 } && numbers(events, "step").contains { $0 > 18 })
            #expect(words(events, "action").allSatisfy { $0 == policy })
            #expect(try texts(events) == texts(try guarded(workspace, "halves")))
            #expect(try workspace.losses("whole") == workspace.losses("halves"))
            #expect(try workspace.tensors("whole") == workspace.tensors("halves"))
        }
    }

    /// Up to the first spike both runs are the same; then one updates its weights and the other does not.
    @Test func aSpikeMayBeRecordedOnlyOrStopTheRun() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("recorded", .gpt2, dropout: 0.1), ranks: 1, Self.nervous)
            let recorded = try guarded(workspace, "recorded")
            #expect(!recorded.isEmpty && words(recorded, "action").allSatisfy { $0 == "ignore" })
            #expect(try workspace.losses("recorded").count == 20)
            let stopped = try workspace.writeJob("stopped", .gpt2, dropout: 0.1)
            let result = try await workspace.attempt(stopped, ranks: 1, Self.nervous + ["guards.onSpike=stop"])
            #expect(result.exitCode == 70)
            #expect(result.standardError.contains("standard deviations above the mean; the weights were not updated"))
            let events = try guarded(workspace, "stopped")
            #expect(numbers(events, "step") == Array(numbers(recorded, "step").prefix(1)))
            #expect(events[0]["zScore"] as? Double == recorded[0]["zScore"] as? Double)
        }
    }

    @Test func samplesAreShownAsTheJobTakesThem() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2)
            let data = workspace.folder.appendingPathComponent("data/train").path
            let sampler = try TokenSampler(
                dataset: try TokenDatasetFile.open(data), sequenceLength: 32, seed: 7, shuffled: true)
            let shown = try await workspace.apus(
                ["data", "show", job, "--sample", "3..4", "--tokens", "--set", "seed=7"])
            let lines = shown.standardOutput.split(separator: "\n")
            try #require(lines.count == 4)
            for (index, number) in ([3, 4] as [UInt64]).enumerated() {
                #expect(lines[2 * index].hasPrefix("sample \(number): data/train.bin from token "))
                #expect(
                    lines[2 * index + 1].split(separator: " ").map { Int32($0) } == (try sampler.sample(at: number)))
            }
            for wrong in [
                ["--sample", "5..3"], ["--sample", "x"], ["--document", "1"], ["--sample", "1", "--seed", "2"],
            ] {
                let result = try await run("apus", ["data", "show", job] + wrong, workingDirectory: workspace.folder)
                #expect(result.exitCode == 65, "\(result)")
            }
        }
    }
}
