import Foundation
import TestSupport
import Testing

/// `--profile` as a user gives it.
@Suite(.serialized) struct ProfileTests {
    /// A rank's trace.
    private struct RankTrace {
        var spans: [[String: Any]]
        var counters: [[String: Any]]

        init(_ folder: URL, rank: Int) throws {
            let file = folder.appendingPathComponent("trace-rank-00\(rank).json")
            let root = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
            let events = try #require(root?["traceEvents"] as? [[String: Any]])
            spans = events.filter { $0["ph"] as? String == "X" }
            counters = events.filter { $0["ph"] as? String == "C" }
        }

        func names(_ category: String) -> Set<String> {
            Set(spans.filter { $0["cat"] as? String == category }.compactMap { $0["name"] as? String })
        }

        /// Microseconds of a category's spans that lie in a step; a validation runs operators too.
        func duration(_ category: String) -> Double {
            let steps = spans.filter { $0["cat"] as? String == "step" }.map(Self.range)
            return spans.filter { $0["cat"] as? String == category }.map(Self.range).reduce(0) { sum, range in
                let isInside = steps.contains { $0.contains(range.lowerBound) }
                return sum + (isInside ? range.upperBound - range.lowerBound : 0)
            }
        }

        private static func range(_ span: [String: Any]) -> ClosedRange<Double> {
            let start = span["ts"] as? Double ?? 0
            return start...start + (span["dur"] as? Double ?? 0)
        }

        func count(_ category: String) -> Int { spans.count { $0["cat"] as? String == category } }

        /// Parts cannot take longer than what they are parts of.
        func checkSums() {
            #expect(duration("phase") <= duration("step"))
            #expect(duration("forward") + duration("backward") <= duration("phase"))
            for span in spans where span["cat"] as? String == "collective" {
                let arguments = span["args"] as? [String: Any]
                let parts = ["waiting µs", "transferring µs"].map { arguments?[$0] as? Double ?? .nan }
                #expect(abs(parts[0] + parts[1] - (span["dur"] as? Double ?? .nan)) < 0.01)
            }
        }
    }

    private static let operators: Set = [
        "embedding", "add positions", "layer norm", "linear", "causal attention", "linear cross-entropy",
    ]

    private static let tinyBench = [
        "bench", "train", "--layers", "2", "--width", "32", "--heads", "4", "--context", "16", "--batch", "4",
        "--steps",
        "3", "--threads", "1", "--profile-steps", "3-5",
    ]

    /// The first number after `label`.
    private func number(after label: String, in text: String) throws -> Double {
        let start = try #require(text.range(of: label)?.upperBound, "\(text)")
        let digits = text[start...].drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "." }
        return try #require(Double(digits))
    }

    @Test func aBenchOnOneRank() async throws {
        try await withTemporaryFolder { folder in
            let result = try await run("apus", Self.tinyBench, workingDirectory: folder)
            try #require(result.isSuccess, "\(result)")
            let table = result.standardOutput
            let mean = try number(after: "profile of steps 3 to 5: 1 thread,", in: table)
            #expect(abs(try number(after: "sum:", in: table) - mean) <= 0.011, "\(result)")
            for name in Self.operators { #expect(table.contains(name), "\(table)") }
            #expect(!table.contains("collectives"))
            #expect(table.contains("page faults") && table.contains("the median of 3 steps"))

            let profile = folder.appendingPathComponent("profile")
            let trace = try RankTrace(profile, rank: 0)
            #expect(trace.count("step") == 3)
            #expect(trace.names("forward") == Self.operators)
            #expect(trace.names("backward") == Self.operators)
            #expect(trace.names("phase").isSuperset(of: ["data", "forward", "backward", "gradient norm", "AdamW"]))
            #expect(trace.count("collective") == 0 && !trace.counters.isEmpty)
            trace.checkSums()
            let kept = try String(contentsOf: profile.appendingPathComponent("profile.txt"), encoding: .utf8)
            #expect(table.contains(kept))
        }
    }

    @Test(arguments: [1, 2]) func aBenchOnTwoRanks(tensor: Int) async throws {
        try await withTemporaryFolder { folder in
            let arguments =
                Self.tinyBench + ["--ranks", "2", "--tensor", "\(tensor)", "--profile-folder", "here", "--json"]
            let result = try await run("apus", arguments, workingDirectory: folder)
            try #require(result.isSuccess, "\(result)")
            // Standard output is JSON alone.
            let figures = try JSONSerialization.jsonObject(with: Data(result.standardOutput.utf8)) as? [String: Any]
            #expect(figures?["ranks"] as? Int == 2 && figures?["timedSteps"] as? Int == 3)
            #expect(result.standardError.contains("rank 0 of 2, 1 thread"))
            for rank in 0..<2 {
                let trace = try RankTrace(folder.appendingPathComponent("here"), rank: rank)
                let collectives = trace.names("collective")
                #expect(collectives.contains("all-reduce 'loss'"))
                if tensor == 1 {
                    #expect(collectives.contains("all-reduce 'gradients'"), "\(collectives)")
                } else {
                    #expect(collectives.contains("all-reduce 'leave tensor-parallel region'"), "\(collectives)")
                    #expect(trace.names("forward").contains("enter tensor-parallel region"))
                }
                #expect(trace.spans.allSatisfy { $0["pid"] as? Int == rank })
                trace.checkSums()
            }
        }
    }

    /// Messages alone; as many hosts as ranks; and two hosts of two ranks.
    @Test(arguments: [
        (2, "APUS_COLLECTIVES", "mpi"), (2, "APUS_RANKS_PER_HOST", "1"), (4, "APUS_RANKS_PER_HOST", "2"),
    ])
    func messagesWaitApartFromTransferringToo(ranks: Int, variable: String, value: String) async throws {
        try await withTemporaryFolder { folder in
            let result = try await run(
                "apus", Self.tinyBench + ["--ranks", "\(ranks)"], environment: [variable: value],
                workingDirectory: folder)
            try #require(result.isSuccess, "\(result)")
            for rank in 0..<ranks {
                let trace = try RankTrace(folder.appendingPathComponent("profile"), rank: rank)
                let waits = trace.spans.filter { $0["name"] as? String == "all-reduce 'loss'" }
                    .compactMap { ($0["args"] as? [String: Any])?["waiting µs"] as? Double }
                #expect(waits.count == 3 && waits.allSatisfy { $0 > 0 })
                trace.checkSums()
            }
        }
    }

    @Test(arguments: [1, 2]) func aLaunchedJob(ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: ranks, steps: 12)
            let result = try await workspace.apus(
                // A save in the background is completed at whichever step finds it written.
                [
                    "launch", job, "--profile-steps", "9-11", "--set", "launch.threadsPerRank=1", "--set",
                    "checkpoint.mode=synchronous",
                ])
            let place = ranks == 1 ? "1 thread" : "rank 0 of 2, 1 thread"
            #expect(result.standardOutput.contains("profile of steps 9 to 11: \(place)"), "\(result)")
            // Validation and saving after step 10 lie in the window.
            #expect(result.standardOutput.contains("evaluation: 1 ×"), "\(result)")
            #expect(result.standardOutput.contains("checkpoint: 1 ×"), "\(result)")
            let profile = workspace.folder.appendingPathComponent("runs/job/profile")
            for rank in 0..<ranks {
                let trace = try RankTrace(profile, rank: rank)
                #expect(trace.count("step") == 3)
                #expect(trace.names("forward") == Self.operators)
                #expect(trace.names("backward") == Self.operators)
                #expect(trace.names("besides") == ["evaluation", "checkpoint"])
                trace.checkSums()
            }
            // Profiled or not, a run is the same run.
            let plain = try workspace.writeJob("plain", .gpt2, data: ranks, steps: 12)
            try await workspace.work(plain, ranks: ranks)
            #expect(try workspace.losses("job") == workspace.losses("plain"))
        }
    }

    @Test func aRunThatEndsBeforeTheWindowDoesSaysWhatThereIs() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .llama, steps: 4)
            let some = try await workspace.apus(["worker", job, "--profile"])
            #expect(some.standardOutput.contains("profile of steps 3 to 4"), "\(some)")
            #expect(some.standardOutput.contains("RMS norm") && some.standardOutput.contains("SwiGLU"))
            // The run is over: there is no step to profile.
            let none = try await workspace.apus(["worker", job, "--profile"])
            #expect(none.standardOutput.contains("nothing was profiled"), "\(none)")
        }
    }

    @Test(arguments: ["0-3", "5-2", "a", "1-2-3", "", "3-"]) func badStepsAreRefused(steps: String) async throws {
        let result = try await run("apus", ["bench", "train", "--profile-steps", steps])
        #expect(result.exitCode == 65, "\(result)")
        #expect(result.standardError.contains("--profile-steps must be"), "\(result)")
    }

    @Test func aFolderThatCannotBeMadeIsNamed() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2)
            let result = try await run(
                "apus", ["launch", job, "--profile-folder", "/dev/null/profile"], workingDirectory: workspace.folder)
            #expect(result.exitCode == 65, "\(result)")
            #expect(result.standardError.contains("/dev/null/profile"))
        }
    }
}

/// `apus bench kernels` as a user gives it.
@Suite struct BenchKernelsTests {
    @Test func aTableAndJSON() async throws {
        let options = ["bench", "kernels", "--filter", "gpt2-128x64", "--seconds", "0.001", "--threads", "2"]
        let table = try await run("apus", options)
        try #require(table.isSuccess, "\(table)")
        for name in ["machine", "product A·Bᵀ", "causal attention, backward", "AdamW", "GFLOP/s", "GB/s", "2 threads"] {
            #expect(table.standardOutput.contains(name), "\(table)")
        }
        let json = try await run("apus", options + ["--json"])
        let document = try JSONSerialization.jsonObject(with: Data(json.standardOutput.utf8)) as? [String: Any]
        #expect((document?["rows"] as? [[String: Any]])?.isEmpty == false, "\(json)")
    }

    @Test(arguments: [
        ["--filter", "nothing like it"], ["--seconds", "0"], ["--threads", "0"], ["--seconds", "nan"],
    ])
    func badOptionsAreRefused(options: [String]) async throws {
        let result = try await run("apus", ["bench", "kernels"] + options)
        #expect(result.exitCode == 65, "\(result)")
        #expect(result.standardError.hasPrefix("error: "), "\(result)")
    }
}
