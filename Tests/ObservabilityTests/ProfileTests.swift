import Foundation
import Numerics
import Observability
import TestSupport
import Testing

@Suite struct ProfileTests {
    private let facts = Profile.Facts(
        rank: 1, ranks: 2, threads: 2, firstStep: 3, peakGFLOPs: 10, copyGBs: 4)

    private func add(
        _ trace: Trace, _ kind: Trace.Kind, _ name: StaticString, _ start: UInt64, _ end: UInt64, label: String? = nil,
        shape: Trace.Shape = .none, work: Trace.Work = .init(), waiting: UInt64 = 0, idle: UInt64 = 0,
        memory: Trace.Memory? = nil, thread: UInt = 7
    ) {
        trace.append(
            Trace.Event(
                kind: kind, name: name, label: label.flatMap { trace.number(of: $0) }, shape: shape, work: work,
                start: start * 1_000_000, end: end * 1_000_000, waiting: waiting * 1_000_000, idle: idle * 1_000_000,
                memory: memory, thread: thread))
    }

    /// Two steps of 100 ms, in the order in which spans end.
    private var trace: Trace {
        let trace = Trace(capacity: 64)
        for start: UInt64 in [1000, 1200] {
            add(
                trace, .forward, "linear", start + 5, start + 25, shape: .init(rows: 8, inputs: 4, outputs: 6),
                work: .init(operations: 100e6, bytes: 8e6), idle: 10, memory: .init(inUse: 100, reserved: 300))
            add(trace, .phase, "forward", start, start + 30, idle: 12)
            // A forward pass that runs again, and a collective, both inside a backward pass.
            add(trace, .forward, "layer norm", start + 35, start + 40, work: .init(bytes: 4e6))
            add(
                trace, .collective, "all-reduce", start + 40, start + 60, label: "entering \"x\"",
                work: .init(bytes: 16e6), waiting: 5)
            add(trace, .backward, "linear", start + 32, start + 70, work: .init(operations: 200e6))
            add(trace, .phase, "backward", start + 30, start + 70)
            add(trace, .phase, "AdamW", start + 70, start + 90, work: .init(bytes: 20e6))
            add(trace, .step, "step", start, start + 100)
            // On a thread of its own, at the same time as the step.
            add(trace, .collective, "all-reduce", start + 10, start + 50, label: "beside", thread: 9)
        }
        add(trace, .collective, "gather-to-all", 1350, 1360, label: "within")
        add(trace, .besides, "checkpoint", 1340, 1400)
        return trace
    }

    private func row(_ profile: Profile, _ title: String, _ group: Profile.Group) throws -> Profile.Row {
        try #require(profile.rows.first { $0.title == title && $0.group == group })
    }

    private func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-9 }

    @Test func everyMomentBelongsToTheInnermostSpan() throws {
        let profile = Profile(trace, facts: facts)
        #expect(profile.stepCount == 2)
        #expect(close(profile.stepSeconds, 0.2))
        #expect(close(profile.rows.reduce(0) { $0 + $1.seconds }, 0.2))
        #expect(close(try row(profile, "forward, between its parts", .rest).seconds, 0.02))
        #expect(close(try row(profile, "linear", .backward).seconds, 2 * 0.013))
        #expect(close(try row(profile, "layer norm", .recomputation).seconds, 0.01))
        #expect(close(try row(profile, "outside all of these", .rest).seconds, 0.02))
        let forward = try row(profile, "linear 8 × 4 → 6", .forward)
        #expect(forward.calls == 2 && close(forward.seconds, 0.04) && close(forward.idleSeconds, 0.02))
        #expect(close(try row(profile, "forward, between its parts", .rest).idleSeconds, 0.004))
    }

    @Test func theHigherFloorCounts() throws {
        let profile = Profile(trace, facts: facts)
        let forward = try row(profile, "linear 8 × 4 → 6", .forward)
        // 100 MFLOP at 10 GFLOP/s take 10 ms, 8 MB at 4 GB/s take 2.
        #expect(forward.isComputeBound && close(forward.floorSeconds, 0.02))
        let update = try row(profile, "AdamW", .rest)
        #expect(!update.isComputeBound && close(update.floorSeconds, 0.01))
        // A collective's buffer is read and written.
        let collective = try row(profile, "all-reduce 'entering \"x\"'", .collectives)
        #expect(close(collective.floorSeconds, 2 * 0.008) && close(collective.waitingSeconds, 0.01))
    }

    @Test func whatIsNotInAStepIsToldApart() {
        let profile = Profile(trace, facts: facts)
        #expect(Set(profile.besides.map(\.title)).isSuperset(of: ["checkpoint", "all-reduce 'beside'"]))
        #expect(profile.rows.allSatisfy { $0.title != "checkpoint" && $0.title != "all-reduce 'beside'" })
    }

    @Test func theTableHasAllRows() {
        let profile = Profile(trace, facts: facts)
        let table = profile.table
        #expect(table.hasPrefix("profile of steps 3 to 4: rank 1 of 2, 2 threads, 100.00 ms a step\n"))
        for row in profile.rows { #expect(table.contains(row.title)) }
        #expect(table.contains("forward again"))
        #expect(table.contains("5.0 GFLOP/s"))
        #expect(table.contains("sum: 100.00 ms; with everything at its floor:"))
        #expect(table.contains("checkpoint: 1 × "))
        #expect(table.split(separator: "\n").allSatisfy { $0.count <= 140 })
        #expect(!table.contains("did not fit"))
    }

    @Test func anEmptyOrFullTraceIsSaid() {
        #expect(Profile(Trace(capacity: 1), facts: facts).table == "no step was profiled\n")
        let full = Trace(capacity: 1)
        for step: UInt64 in 0..<3 { add(full, .step, "step", step * 10, step * 10 + 5) }
        #expect(Profile(full, facts: facts).table.contains("2 spans did not fit"))
    }

    @Test func theTraceIsJSONThatViewersRead() throws {
        let text = ChromeTrace(trace, facts: facts).json
        let root = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let events = try #require(root["traceEvents"] as? [[String: Any]])
        let spans = events.filter { $0["ph"] as? String == "X" }
        #expect(spans.count == trace.events.count)
        #expect(spans.allSatisfy { $0["pid"] as? Int == 1 })
        let linear = try #require(spans.first { $0["name"] as? String == "linear" })
        #expect(linear["ts"] as? Double == 1_005_000 && linear["dur"] as? Double == 20_000)
        let arguments = try #require(linear["args"] as? [String: Any])
        #expect(arguments["FLOPs"] as? Double == 100e6 && arguments["GFLOP/s"] as? Double == 5)
        let collective = try #require(spans.first { ($0["name"] as? String)?.contains("entering") == true })
        #expect(collective["name"] as? String == "all-reduce 'entering \"x\"'")
        let waiting = try #require(collective["args"] as? [String: Any])
        #expect(waiting["waiting µs"] as? Double == 5000 && waiting["transferring µs"] as? Double == 15_000)
        // The thread of the steps is 0, wherever its number came from.
        #expect(Set(spans.compactMap { $0["tid"] as? Int }) == [0, 1])
        let counters = events.filter { $0["ph"] as? String == "C" }
        #expect(counters.count == 1)
        #expect((counters[0]["args"] as? [String: Any])?["bytes cached"] as? Int == 200)
    }

    @Test func filesAreNamedAfterRanksAndFailuresAfterFiles() throws {
        #expect(ChromeTrace.fileName(rank: 7) == "trace-rank-007.json")
        #expect(ChromeTrace.fileName(rank: 1234) == "trace-rank-1234.json")
        let error = #expect(throws: ApusError.self) {
            try ChromeTrace(trace, facts: facts).write(to: "/dev/null/trace.json")
        }
        #expect(error?.operation.contains("/dev/null/trace.json") == true)
    }
}
