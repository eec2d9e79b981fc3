import Checkpointing
import Observability

/// Compares the losses and the last checkpoints of two runs, bit for bit.
struct RunComparison {
    let undisturbed: String
    let disturbed: String
    let steps: Int

    /// What differs first; nil where nothing does.
    func difference() throws -> String? {
        try lossDifference() ?? weightDifference()
    }

    private func losses(_ folder: String) throws -> [Int: Double] {
        try MetricsLog.events(at: folder + "/metrics.jsonl").reduce(into: [:]) { losses, event in
            if case .step(let metrics) = event { losses[metrics.step] = metrics.loss }
        }
    }

    private func lossDifference() throws -> String? {
        let (expected, found) = (try losses(undisturbed), try losses(disturbed))
        for step in 1...steps where expected[step] != found[step] {
            func text(_ loss: Double?) -> String { loss.map { "\($0)" } ?? "missing" }
            return "the loss of step \(step) is \(text(found[step])), undisturbed \(text(expected[step]))"
        }
        return nil
    }

    private func weightDifference() throws -> String? {
        let expected = try CheckpointReader("\(undisturbed)/checkpoints")
        let found = try CheckpointReader("\(disturbed)/checkpoints")
        guard found.manifest.step == expected.manifest.step else {
            return "the last checkpoint is of step \(found.manifest.step), undisturbed of \(expected.manifest.step)"
        }
        let comparison = try CheckpointComparison(expected, found, tensorsOnly: true)
        let different = comparison.tensors.first { $0.outcome != .equal }
        return different.map { "of the last checkpoints, undisturbed and disturbed, \($0.name): \($0.outcome)" }
    }
}
