import Foundation

extension TrainingBenchmarkResult {
    /// A few lines for a reader.
    public var text: String {
        func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
        return """
            parameters     \(number(Double(parameters) / 1e6, 1)) million
            layout         \(ranks) rank\(ranks == 1 ? "" : "s") × \(threadsPerRank) thread\(threadsPerRank == 1 ? "" : "s")
            step           \(number(stepSeconds, 4)) s (fastest \(number(fastestStepSeconds, 4)), slowest \
            \(number(slowestStepSeconds, 4)))
            tokens/s       \(number(tokensPerSecond, 0))
            model GFLOP/s  \(number(modelGFLOPs, 1)), \(number(peakShare * 100, 1))% of the \(number(peakGFLOPs, 1)) \
            measured as this layout's peak
            peak memory    \(number(peakRSSMiB, 0)) MiB, activations \(number(peakActivationMiB, 0)) MiB of them on \
            each rank
            """
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
