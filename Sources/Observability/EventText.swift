/// The words for each event.
enum EventText {
    /// The lines of an event that stays on the screen or in a log.
    static func lines(_ event: RunEvent) -> [String] {
        switch event {
        case .started(let facts): started(facts)
        case .step(let metrics): [stepLine(metrics)]
        case .evaluation(let metrics):
            [
                "step \(metrics.step): validation loss \(Quantity.loss(metrics.loss)), "
                    + "perplexity \(Quantity.count(metrics.perplexity)) (\(Quantity.duration(metrics.seconds)))"
            ]
        case .checkpoint(let record):
            [
                "step \(record.step): saved \(record.path) "
                    + "(\(Quantity.bytes(record.bytes)) in \(Quantity.duration(record.seconds))"
                    + (record.stallSeconds.map { ", training stood still for \(stall($0))" } ?? "") + ")"
            ]
        case .guarded(let record): ["warning: " + record.text]
        case .message(let message):
            [message.level == .note ? message.text : "\(message.level.rawValue): \(message.text)"]
        case .stopping(let notice): ["stopping after step \(notice.step): \(notice.reason)"]
        case .finished(let summary): finished(summary)
        }
    }

    /// The rewriting line: as many of its parts as fit into `width` columns, the most telling first.
    static func progress(_ metrics: StepMetrics, width: Int) -> String {
        let share = metrics.totalSteps > 0 ? Double(metrics.step) / Double(metrics.totalSteps) : 0
        var line = "step \(metrics.step)/\(metrics.totalSteps)"
        let parts = [
            "loss \(Quantity.loss(metrics.loss))",
            "\(Quantity.duration(metrics.secondsLeft)) left",
            "\(Quantity.count(metrics.tokensPerSecond)) tokens/s",
            speed(metrics),
            Quantity.percent(share) + " done",
        ]
        for part in parts where line.count + 2 + part.count <= width { line += "  " + part }
        return String(line.prefix(max(width, 0)))
    }

    private static func started(_ facts: RunFacts) -> [String] {
        let ranks = "\(facts.ranks) \(facts.ranks == 1 ? "rank" : "ranks")"
        let threads = "\(facts.threadsPerRank) \(facts.threadsPerRank == 1 ? "thread" : "threads")"
        return [
            "\(facts.name): \(Quantity.count(facts.parameters)) parameters, \(ranks) × \(threads) (\(facts.mesh)), "
                + "\(Quantity.count(facts.tokensPerStep)) tokens a step, "
                + (facts.resumedStep > 0
                    ? "resuming after step \(facts.resumedStep) of \(facts.totalSteps)" : "\(facts.totalSteps) steps")
        ]
    }

    private static func stepLine(_ metrics: StepMetrics) -> String {
        [
            "step \(metrics.step)/\(metrics.totalSteps)",
            "loss \(Quantity.loss(metrics.loss))",
            "learning rate \(Quantity.scientific(metrics.learningRate))",
            "gradient \(Quantity.loss(metrics.gradientNorm))",
            "\(Quantity.count(metrics.tokensPerSecond)) tokens/s",
            speed(metrics),
            "\(Quantity.duration(metrics.secondsLeft)) left",
        ].joined(separator: "  ")
    }

    private static func speed(_ metrics: StepMetrics) -> String {
        let rate = "\(Quantity.count(metrics.modelGFLOPs)) GFLOP/s"
        return metrics.peakShare > 0 ? "\(rate) (\(Quantity.percent(metrics.peakShare)) of peak)" : rate
    }

    private static func stall(_ seconds: Double) -> String {
        seconds < 1 ? Quantity.fixed(seconds * 1e3, seconds < 0.01 ? 1 : 0) + " ms" : Quantity.duration(seconds)
    }

    private static func finished(_ summary: RunSummary) -> [String] {
        var lines = ["finished \(summary.steps) steps in \(Quantity.duration(summary.seconds))"]
        if let first = summary.firstLoss, let last = summary.lastLoss {
            lines[0] += ": loss \(Quantity.loss(first)) → \(Quantity.loss(last))"
        }
        if let path = summary.lossCurvePath { lines.append("  loss curve  \(path)") }
        if let path = summary.checkpointPath { lines.append("  checkpoint  \(path)") }
        return lines
    }
}
