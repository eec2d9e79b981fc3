import Checkpointing
import Collectives
import Foundation
import JobConfiguration
import Numerics

extension TrainingRun {
    struct Resumption {
        var step: Int
        var nextSample: UInt64
        /// What parts of the run left in the checkpoint, by a key of their own.
        var extra: [String: JSONValue]
        /// Whether the checkpoint is one of the run's own.
        var isOwn: Bool
        /// What the job says differently from the one that wrote the checkpoint, and is allowed to.
        var differences: [String]
    }

    /// Loads the checkpoint that the job goes on from, if any. Collective; fails on all ranks or on none.
    ///
    /// - Returns: where the run stands now, nil for a new run; and what its user should know: leftovers of a crash that
    ///   could not be cleared, damaged checkpoints that were passed over, settings that have changed.
    static func resume(
        _ job: JobConfiguration, from folder: CheckpointFolder, into engine: TrainingEngine, world: any Communicator
    ) throws -> (resumption: Resumption?, warnings: [String]) {
        // One rank looks and tells the others: what the ranks of a shared file system see may differ for a moment.
        let found = try world.shareFirst(on: "the checkpoints") { try Surroundings(folder, job) }
        var warnings = found.warnings
        let resumption =
            switch job.checkpoint.resume {
            case .automatic: try resume(job, fromNewestOf: found.paths, into: engine, world, &warnings)
            case .from(let path):
                try world.agree(on: "the checkpoint") {
                    do {
                        return try load(path, into: engine, job, isOwn: path.hasPrefix(folder.path))
                    } catch let damage as Damage { throw damage.cause }
                }
            case .never: Resumption?.none
            }
        return (resumption, warnings + (resumption?.differences ?? []))
    }

    /// What rank 0 finds in the run's folder.
    private struct Surroundings: Codable {
        /// Checkpoints' folders, in the order in which they are tried.
        var paths: [String] = []
        var warnings: [String] = []

        init(_ folder: CheckpointFolder, _ job: JobConfiguration) throws {
            do {
                try folder.removeTemporaries()
            } catch { warnings.append("leftovers of an interrupted save stay where they are: \(error)") }
            let candidates = try folder.candidates()
            paths = candidates.entries.map(\.path)
            if case .automatic = job.checkpoint.resume { warnings += [candidates.warning].compactMap(\.self) }
            if job.checkpoint.resume == .never, let existing = paths.first {
                throw ApusError(
                    "starting run \(job.name)", "checkpoint.resume is never, but the run already has \(existing)",
                    remedy: "go on from it with --set checkpoint.resume=auto, or start elsewhere with --set "
                        + "output=FOLDER")
            }
        }
    }

    /// Tries one checkpoint after the other. Each is checked while it is read, so that an intact one is read once; what
    /// a damaged one has left in the engine, the next one overwrites in full.
    private static func resume(
        _ job: JobConfiguration, fromNewestOf paths: [String], into engine: TrainingEngine, _ world: any Communicator,
        _ warnings: inout [String]
    ) throws -> Resumption? {
        var problems: [String] = []
        for path in paths {
            let outcome = try world.agree(on: "the checkpoint") { () -> Result<Resumption, Damage> in
                do {
                    return .success(try load(path, into: engine, job, isOwn: true))
                } catch let damage as Damage { return .failure(damage) }
            }
            var words = ""
            if case .failure(let damage) = outcome { words = "\(damage.cause)" }
            // A part that one rank cannot read makes the checkpoint useless for all.
            let damages = world.gatherToAll(Array(words.utf8), label: "damage of the checkpoint")
            guard let damage = damages.first(where: { !$0.isEmpty }) else {
                if let last = problems.popLast() { warnings += problems + ["\(last)\n  → going on from \(path)"] }
                return try outcome.get()
            }
            problems.append("passed over the checkpoint \(path): \(String(decoding: damage, as: UTF8.self))")
        }
        guard !problems.isEmpty else { return nil }
        throw AgreedFailure.everywhere(
            ApusError(
                "resuming run \(job.name)",
                "none of its \(paths.count) checkpoints is intact:\n" + problems.joined(separator: "\n"),
                remedy: "restore one from a copy, or start anew with --set output=FOLDER or by moving them away",
                kind: .runtime))
    }

    /// A checkpoint that cannot be read, as opposed to one that does not fit the job: the one before it may be better.
    private struct Damage: Error {
        let cause: any Error

        static func found<Value>(by read: () throws -> Value) throws -> Value {
            do { return try read() } catch { throw Damage(cause: error) }
        }
    }

    private static func load(
        _ path: String, into engine: TrainingEngine, _ job: JobConfiguration, isOwn: Bool
    ) throws -> Resumption {
        let reader = try Damage.found { try CheckpointReader(path) }
        let state = reader.manifest.state
        let saved = try JobConfiguration.load(yaml: state.job, name: "\(path), resolved job")
        try checkCompatibility(job, with: saved, path: path)
        try Damage.found { try engine.load(from: reader) }
        return Resumption(
            step: reader.manifest.step, nextSample: UInt64(state.nextSample), extra: state.extra, isOwn: isOwn,
            differences: differences(job, saved))
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
