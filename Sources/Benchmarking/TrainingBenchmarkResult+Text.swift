import Foundation

extension TrainingBenchmarkResult {
    /// A few lines for a reader.
    public var text: String {
        func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
        func count(_ value: Int, _ name: String) -> String { "\(value) \(name)\(value == 1 ? "" : "s")" }
        return """
            machine        \(machine.text)
            model          \(number(Double(parameters) / 1e6, 1)) million parameters; \(count(batchSize, "sequence")) of \
            \(sequenceLength) random tokens a step
            layout         \(count(ranks, "rank")) (\(mesh)) × \(count(threadsPerRank, "thread"))
            step           \(number(stepSeconds, 4)) s, the median of \(count(timedSteps, "step")) after \(warmUpSteps) \
            that are not counted (fastest \(number(fastestStepSeconds, 4)), slowest \(number(slowestStepSeconds, 4)))
            tokens/s       \(number(tokensPerSecond, 0))
            model GFLOP/s  \(number(modelGFLOPs, 1)), \(number(peakShare * 100, 1))% of the \(number(peakGFLOPs, 1)) \
            measured as this layout's peak
            peak memory    \(number(peakRSSMiB, 0)) MiB over all ranks, activations \(number(peakActivationMiB, 0)) MiB \
            of them on each rank
            page faults    \(number(pageFaultsPerStep, 1)) a step over all ranks
            """ + bubbleText
    }

    private var bubbleText: String {
        guard let schedule, let bubbleFraction, let expectedBubbleFraction else { return "" }
        func percent(_ value: Double) -> String { String(format: "%.1f%%", value * 100) }
        return "\nbubble         stages idle \(percent(bubbleFraction)) of the time; by the \(schedule) schedule "
            + percent(expectedBubbleFraction)
    }

    /// One object with sorted keys.
    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}
