import Checkpointing
import Collectives
import Numerics
import Observability
import Supervision

/// What becomes of a step whose numbers are wrong. Every rank sees the same numbers and does the same.
extension TrainingRun {
    /// The place of the guard's memory in a checkpoint's state.
    static let guardKey = "guards"

    /// How many samples of a step its record says the place of; those of any can be looked up by number.
    private static let recordedSamples = 64

    /// Lets the guard judge the step that was just taken.
    ///
    /// - Returns: false where the run went back to a checkpoint, so that the step did not happen.
    /// - Throws: `AgreedFailure` where the run must stop.
    func isAccepted(_ result: TrainingEngine.StepResult) throws -> Bool {
        guard let incident = numericalGuard.judge(loss: result.loss, gradientNorm: result.gradientNorm) else {
            return true
        }
        let samples = nextSample..<nextSample + UInt64(job.training.globalBatchSize)
        let record = GuardRecord(incident, of: result, step: step + 1, samples: samples)
        switch incident.action {
        case .ignore, .skip:
            report(record)
            return true
        case .stop:
            report(record)
            throw AgreedFailure.everywhere(failure(incident, result, samples))
        case .rollback:
            try rollBack(record, skippingTo: samples.upperBound)
            return false
        }
    }

    /// Updates made so far: skipped steps made none.
    var updates: Int { max(step - numericalGuard.skippedSteps, 0) }

    // MARK: Rolling back

    /// Loads an earlier checkpoint; where that is damaged another, those before it first. Collective.
    private func rollBack(_ record: GuardRecord, skippingTo sample: UInt64) throws {
        try saver.settle()
        let candidates = try rollbackSteps()
        for (index, candidate) in candidates.enumerated() {
            do {
                let state = try WorkerStatus.during(.loading) { try load(candidate) }
                numericalGuard.rollBack(to: state.extra[Self.guardKey])
                step = candidate
                nextSample = sample
                lastCheckedStep = nil
                saver.goBack(to: candidate)
                WorkerStatus.reached(step: step)
                var record = record
                (record.rollbackStep, record.nextSample) = (candidate, sample)
                report(record)
                return
            } catch let failure as AgreedFailure where index < candidates.count - 1 {
                reporter?.report(.message(RunMessage(level: .warning, text: "\(failure)")))
            }
        }
        report(record)
        throw AgreedFailure.everywhere(
            ApusError(
                "step \(record.step)",
                "its numbers are wrong (\(record.cause.rawValue)), and there is no checkpoint in \(saver.folder.path) to go "
                    + "back to; the weights were not updated",
                remedy: "save more often (checkpoint.every), or let the guards skip", kind: .diverged))
    }

    /// The steps of the run's checkpoints, the one to go back to first. Rank 0's word counts: others may see the folder
    /// as it was.
    private func rollbackSteps() throws -> [Int] {
        try world.shareFirst(on: "the checkpoints to go back to") {
            let steps = try saver.folder.entries().map(\.step).filter { $0 <= step }
            let wanted = max(steps.count - job.guards.rollbackCheckpoints, 0)
            return Array(steps.prefix(wanted + 1).reversed() + steps.dropFirst(wanted + 1))
        }
    }

    private func load(_ step: Int) throws -> CheckpointState {
        try world.agree(on: "the checkpoint of step \(step)") {
            let reader = try CheckpointReader("\(saver.folder.path)/\(CheckpointFolder.name(step: step))")
            try engine.load(from: reader)
            return reader.manifest.state
        }
    }

    // MARK: Telling

    private func report(_ record: GuardRecord) {
        guard let reporter else { return }
        var record = record
        record.samples = (0..<UInt64(min(record.sampleCount, Self.recordedSamples))).map { index in
            let number = record.firstSample + index
            let place = training.place(of: number)
            return GuardRecord.Sample(
                sample: number, file: place.path, token: place.position, firstDocument: place.documents.lowerBound,
                lastDocument: place.documents.upperBound)
        }
        reporter.report(.guarded(record))
    }

    private func failure(
        _ incident: NumericalGuard.Incident, _ result: TrainingEngine.StepResult, _ samples: Range<UInt64>
    ) -> ApusError {
        let numbers = "the loss (\(result.loss)) or the gradient norm (\(result.gradientNorm))"
        let problem =
            switch incident.cause {
            case .nonFinite: "\(numbers) is not a finite number"
            case .spike: "the loss (\(result.loss)) is \(incident.zScore ?? 0) standard deviations above the mean"
            }
        return ApusError(
            "step \(step + 1)",
            "\(problem); the weights were not updated" + (incident.exhausted.map { ", and \($0)" } ?? ""),
            remedy:
                "look at its samples with apus data show JOB --sample \(samples.lowerBound)..\(samples.upperBound - 1)"
                + "; lower optimizer.learningRate, lengthen optimizer.schedule.warmupSteps, or go on from an earlier "
                + "checkpoint with checkpoint.resume", kind: .diverged)
    }
}

extension GuardRecord {
    fileprivate init(
        _ incident: NumericalGuard.Incident, of result: TrainingEngine.StepResult, step: Int, samples: Range<UInt64>
    ) {
        self.init(
            step: step, cause: incident.cause, action: incident.action, loss: result.loss,
            gradientNorm: result.gradientNorm,
            zScore: incident.zScore, firstSample: samples.lowerBound, sampleCount: samples.count, samples: [])
    }
}
