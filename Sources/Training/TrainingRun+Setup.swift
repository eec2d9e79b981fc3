import Checkpointing
import Collectives
import Foundation
import JobConfiguration
import Models
import Numerics
import TokenData

extension TrainingRun {
    /// Opens the job's shards and checks them against the model.
    static func openData(_ job: JobConfiguration) throws -> (training: BatchLoader, validation: BatchLoader?) {
        func loader(_ paths: [String], isShuffled: Bool) throws -> BatchLoader {
            let sampler = try TokenSampler(
                dataset: try TokenDatasetFile.open(paths), sequenceLength: job.training.sequenceLength,
                seed: job.seed, shuffled: isShuffled, vocabularySize: job.model.vocabularySize)
            return BatchLoader(
                sampler, sequenceLength: job.training.sequenceLength, microBatchSize: job.training.microBatchSize)
        }
        let training = try loader(job.data.train, isShuffled: true)
        let validation =
            job.data.validation.isEmpty ? nil : try loader(job.data.validation, isShuffled: false)
        return (training, validation)
    }

    struct Resumption {
        var step: Int
        var nextSample: UInt64
        /// Whether the checkpoint is one of the run's own.
        var isOwn: Bool
        /// What the job says differently from the one that wrote the checkpoint, and is allowed to.
        var differences: [String]
    }

    /// Loads the checkpoint that the job goes on from, if any. Collective; fails on all ranks or on none.
    static func resume(
        _ job: JobConfiguration, from folder: CheckpointFolder, into engine: TrainingEngine, world: any Communicator
    ) throws -> Resumption? {
        try world.agree(on: "the checkpoint") {
            guard let path = try checkpointPath(job, in: folder) else { return nil }
            let reader = try CheckpointReader(path)
            let state = reader.manifest.state
            let saved = try JobConfiguration.load(yaml: state.job, name: "\(path), resolved job")
            try checkCompatibility(job, with: saved, path: path)
            try engine.load(from: reader)
            return Resumption(
                step: reader.manifest.step, nextSample: UInt64(state.nextSample),
                isOwn: path.hasPrefix(folder.path), differences: differences(job, saved))
        }
    }

    private static func checkpointPath(_ job: JobConfiguration, in folder: CheckpointFolder) throws -> String? {
        switch job.checkpoint.resume {
        case .automatic: return try folder.latest()?.path
        case .from(let path): return path
        case .never:
            guard let existing = try folder.latest() else { return nil }
            throw ApusError(
                "starting run \(job.name)", "checkpoint.resume is never, but the run already has \(existing.path)",
                remedy: "go on from it with --set checkpoint.resume=auto, or start elsewhere with --set output=FOLDER")
        }
    }

    /// The model and the numbering of samples must be those of the checkpoint: nothing else could go on from it.
    private static func checkCompatibility(
        _ job: JobConfiguration, with saved: JobConfiguration, path: String
    ) throws {
        var mismatches: [String] = []
        func check<Value: Equatable>(_ key: String, _ now: Value, _ before: Value) {
            if now != before { mismatches.append("\(key) is \(now), the checkpoint has \(before)") }
        }
        let (model, other) = (job.model, saved.model)
        check("model.architecture", model.architecture.rawValue, other.architecture.rawValue)
        check("model.layers", model.layers, other.layers)
        check("model.hiddenSize", model.hiddenSize, other.hiddenSize)
        check("model.heads", model.heads, other.heads)
        check("model.keyValueHeads", model.keyValueHeads, other.keyValueHeads)
        check("model.feedForwardSize", model.feedForwardSize, other.feedForwardSize)
        check("model.contextLength", model.contextLength, other.contextLength)
        check("model.vocabularySize", model.vocabularySize, other.vocabularySize)
        check("model.tiedEmbeddings", model.tiedEmbeddings, other.tiedEmbeddings)
        check("model.ropeTheta", model.ropeTheta, other.ropeTheta)
        check("model.normEpsilon", model.normEpsilon, other.normEpsilon)
        check("training.sequenceLength", job.training.sequenceLength, saved.training.sequenceLength)
        guard mismatches.isEmpty else {
            throw ApusError(
                "resuming from \(path)", "the job does not match it: " + mismatches.joined(separator: "; "),
                remedy: "use the settings of \(path), or start a new run with --set output=FOLDER")
        }
    }

    /// Settings that may change, but whose change means that the run is no longer the one it was.
    private static func differences(_ job: JobConfiguration, _ saved: JobConfiguration) -> [String] {
        var found: [String] = []
        func note<Value: Equatable>(_ key: String, _ now: Value, _ before: Value) {
            if now != before { found.append("\(key) is \(now) from here on; it was \(before)") }
        }
        note("seed", job.seed, saved.seed)
        note("training.globalBatchSize", job.training.globalBatchSize, saved.training.globalBatchSize)
        note("training.microBatchSize", job.training.microBatchSize, saved.training.microBatchSize)
        note("training.determinism", job.training.determinism.rawValue, saved.training.determinism.rawValue)
        note("data.train", job.data.train, saved.data.train)
        note("model.dropout", job.model.dropout, saved.model.dropout)
        note("optimizer.learningRate", job.optimizer.learningRate, saved.optimizer.learningRate)
        note("optimizer.schedule.kind", job.optimizer.schedule.kind.rawValue, saved.optimizer.schedule.kind.rawValue)
        note(
            "parallelism.gradientExchange", job.gradientExchange.wireFormat.rawValue,
            saved.gradientExchange.wireFormat.rawValue)
        note(
            "optimizer.momentPrecision", job.optimizer.momentPrecision.rawValue,
            saved.optimizer.momentPrecision.rawValue)
        note("optimizer.weightDecay", job.optimizer.weightDecay, saved.optimizer.weightDecay)
        return found
    }
}
