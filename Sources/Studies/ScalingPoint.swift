import Foundation
import Numerics
import Observability

/// What was measured of one layout under one condition.
public struct ScalingPoint: Codable, Hashable, Sendable {
    public var layout: String
    /// The axes that cut anything; empty for one rank.
    public var family: String
    /// The bandwidth of the hosts' links, as the command line had it; nil where it was left alone.
    public var bandwidth: String?
    public var ranks: Int
    public var threadsPerRank: Int
    /// Processors' worth of time that the ranks could take.
    public var processors: Double
    /// Of the measured steps.
    public var medianStepSeconds: Double
    public var tokensPerSecond: Double
    /// The part of the steps that the ranks' training threads spent in collectives and messages, transferring or waiting
    /// for others; the mean of all ranks.
    public var exposedShare: Double
    /// The largest resident memory of any rank.
    public var peakMiB: Double
    /// Of the last step, which tells whether all layouts trained the same model.
    public var loss: Double

    /// Reads what a run has left.
    ///
    /// - Parameters:
    ///   - metrics: The lines of `metrics.jsonl`.
    ///   - traces: The ranks' traces in Chrome's format.
    ///   - firstStep: The first step that counts.
    ///   - processors: Processors' worth of time for so many ranks of so many threads.
    init(
        layout: StudyLayout, bandwidth: String?, metrics: Data, traces: [Data], firstStep: Int,
        processors: (_ ranks: Int, _ threads: Int) -> Double, operation: String
    ) throws {
        let events = metrics.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(RunEvent.self, from: $0)
        }
        var facts: RunFacts?
        var steps: [StepMetrics] = []
        for event in events {
            if case .started(let started) = event { facts = started }
            if case .step(let step) = event { steps.append(step) }
        }
        let counted = steps.filter { $0.step >= firstStep }.map(\.stepSeconds).sorted()
        guard let facts, let last = steps.last, !counted.isEmpty else {
            throw ApusError(operation, "the run's metrics tell of no step that counts", kind: .runtime)
        }
        self.layout = layout.title
        family = layout.family
        self.bandwidth = bandwidth
        ranks = facts.ranks
        threadsPerRank = facts.threadsPerRank
        self.processors = processors(ranks, threadsPerRank)
        medianStepSeconds = (counted[(counted.count - 1) / 2] + counted[counted.count / 2]) / 2
        tokensPerSecond = Double(facts.tokensPerStep) / medianStepSeconds
        let shares = try traces.map { try ExposedCommunication.share(trace: $0, operation: operation) }
        exposedShare = shares.reduce(0, +) / Double(max(shares.count, 1))
        peakMiB = last.peakRSSMiB
        loss = last.loss
    }

    package init(
        layout: String, family: String, bandwidth: String?, ranks: Int, threadsPerRank: Int, processors: Double,
        medianStepSeconds: Double, tokensPerSecond: Double, exposedShare: Double, peakMiB: Double, loss: Double
    ) {
        self.layout = layout
        self.family = family
        self.bandwidth = bandwidth
        self.ranks = ranks
        self.threadsPerRank = threadsPerRank
        self.processors = processors
        self.medianStepSeconds = medianStepSeconds
        self.tokensPerSecond = tokensPerSecond
        self.exposedShare = exposedShare
        self.peakMiB = peakMiB
        self.loss = loss
    }
}

/// How much of a rank's steps goes into collectives that its training thread waits for.
package enum ExposedCommunication {
    private struct Trace: Decodable {
        struct Event: Decodable {
            var ph: String
            var tid: Int?
            var ts: Double?
            var dur: Double?
            var cat: String?
        }
        var traceEvents: [Event]
    }

    /// - Parameter trace: In Chrome's format, as `ChromeTrace` writes it: the thread that runs the steps is 0.
    package static func share(trace: Data, operation: String) throws -> Double {
        guard let events = try? JSONDecoder().decode(Trace.self, from: trace).traceEvents else {
            throw ApusError(operation, "the run's trace cannot be read", kind: .runtime)
        }
        let spans = events.filter { $0.ph == "X" && $0.tid == 0 }
        func intervals(_ category: String) -> [ClosedRange<Double>] {
            spans.filter { $0.cat == category }.compactMap { span in
                guard let start = span.ts, let length = span.dur, length >= 0 else { return nil }
                return start...start + length
            }.sorted { $0.lowerBound < $1.lowerBound }
        }
        let steps = intervals("step")
        let total = steps.reduce(0) { $0 + $1.upperBound - $1.lowerBound }
        guard total > 0 else { throw ApusError(operation, "the run's trace holds no step", kind: .runtime) }
        var exposed = 0.0
        // One collective may be part of another; no moment counts twice.
        var end = -Double.infinity
        for interval in intervals("collective") where steps.contains(where: { $0.overlaps(interval) }) {
            exposed += max(0, interval.upperBound - max(interval.lowerBound, end))
            end = max(end, interval.upperBound)
        }
        return min(exposed / total, 1)
    }
}
