import Checkpointing
import Collectives
import JobConfiguration
import Numerics
import Observability

/// A run's saves: at most one at a time, written in the background while training goes on, or at once.
///
/// All ranks take part in every call that throws, at the same steps.
final class CheckpointSaver {
    let folder: CheckpointFolder
    private let configuration: CheckpointConfiguration
    private let world: any Communicator
    private let pool: ThreadPool
    private let report: (RunEvent) -> Void
    private let staging: CheckpointStaging?
    private var ongoing: Ongoing?
    private var hasToldOfWaiting = false

    /// The step of the run's newest complete checkpoint, if it wrote or read one.
    private(set) var lastSavedStep: Int?
    /// Seconds from the decision to save until the checkpoint was complete, at most so far.
    private(set) var longestSave = 0.0

    private struct Ongoing {
        let save: OngoingSave
        /// When it was decided.
        let start: ContinuousClock.Instant
        /// How long training has stood still for it.
        var stall: Duration
    }

    /// - Parameters:
    ///   - savedStep: The step of the run's own checkpoint that it goes on from.
    ///   - report: Receives what happened, on every rank.
    init(
        _ configuration: CheckpointConfiguration, folder: CheckpointFolder, savedStep: Int?, world: any Communicator,
        pool: ThreadPool, report: @escaping (RunEvent) -> Void
    ) {
        self.configuration = configuration
        self.folder = folder
        self.world = world
        self.pool = pool
        self.report = report
        lastSavedStep = savedStep
        let savesInBackground = configuration.mode == .asynchronous && configuration.every > 0
        staging = savesInBackground ? CheckpointStaging() : nil
    }

    /// Obtains the memory that saves in the background need, so that the first save finds it ready, and a machine that has
    /// too little is found out before the first step.
    func prepare(_ tensors: [CheckpointTensor]) throws {
        try world.agree(on: "memory for checkpoints") { try staging?.prepare(for: tensors, on: pool) }
    }

    /// Whether this rank has done its part of what the save under way waits for: its vote at a step.
    var hasPartEnded: Bool { ongoing?.save.hasEnded ?? false }

    /// Goes on with the save under way where all ranks voted that their parts have ended.
    func advance(_ votes: StepVotes) throws {
        guard ongoing != nil, votes.count(of: .savePartEnded) == world.size else { return }
        try Profiler.span(.besides, "checkpoint commit") { try settle { try $0.advance() } }
    }

    /// Saves the state after `step`, unless that is done or under way.
    ///
    /// - Parameters:
    ///   - tensors: This rank's; read until the call returns.
    ///   - isLast: Whether the ranks stop training now: the call returns when the checkpoint is complete, and throws
    ///     where it cannot be, whatever `checkpoint.onFailure` says.
    func save(step: Int, state: CheckpointState, tensors: [CheckpointTensor], isLast: Bool) throws {
        if let ongoing, ongoing.save.step != step || isLast {
            try waitForOngoing(tells: ongoing.save.step != step && !isLast)
        }
        guard ongoing == nil, lastSavedStep != step else { return }
        try tolerating(isLast: isLast) {
            try begin(step: step, state: state, tensors: tensors, inBackground: !isLast && staging != nil)
        }
    }

    /// Waits for the save under way, so that the run can go back to its checkpoint.
    func settle() throws { try waitForOngoing(tells: false) }

    /// Takes the checkpoint of `step` for the newest: what was saved after it is to be saved again.
    func goBack(to step: Int) { lastSavedStep = step }

    /// Ends a run that has failed: a save under way may still become a checkpoint.
    func finishAfterFailure() {
        guard let save = ongoing?.save else { return }
        ongoing = nil
        if (try? save.finish()) != nil { lastSavedStep = save.step }
    }

    private func begin(step: Int, state: CheckpointState, tensors: [CheckpointTensor], inBackground: Bool) throws {
        let start = ContinuousClock.now
        let save = try OngoingSave(
            folder: folder, step: step, state: state, communicator: world, keeping: staging
        ) {
            guard inBackground, let staging else { return tensors }
            return try staging.copy(tensors, on: pool)
        }
        ongoing = Ongoing(save: save, start: start, stall: ContinuousClock.now - start)
        if !inBackground { try complete { try $0.finish() } }
    }

    /// Only one save at a time: where the disk is slower than the job saves, training waits.
    private func waitForOngoing(tells: Bool) throws {
        guard let step = ongoing?.save.step else { return }
        let start = ContinuousClock.now
        try settle { try $0.finish() }
        guard tells, !hasToldOfWaiting else { return }
        hasToldOfWaiting = true
        let waited = Quantity.duration((ContinuousClock.now - start) / .seconds(1))
        warn(
            "the checkpoint of step \(step) was still being written when the next one fell due, and training waited "
                + "\(waited) for it\n  → save less often (checkpoint.every), or to a faster disk; this is told once")
    }

    /// Takes a step of the save under way; a failure is handled as the job says.
    private func settle(_ step: (OngoingSave) throws -> CheckpointWriter.Saved?) throws {
        try tolerating { try complete(step) }
    }

    /// Lets training go on after a save that failed, if the job says so and it is not the last.
    ///
    /// The writer fails on every rank or on none, and with the same words.
    private func tolerating(isLast: Bool = false, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as ApusError {
            guard configuration.onFailure == .continue, !isLast else { throw AgreedFailure.everywhere(error) }
            warn("\(error)\n  → training goes on, and saves again at the next step that is due")
        }
    }

    /// Takes a step of the save under way and, where it was the last one, tells of the checkpoint.
    private func complete(_ step: (OngoingSave) throws -> CheckpointWriter.Saved?) throws {
        guard var current = ongoing else { return }
        // Whatever happens, the save is over unless there is a further step.
        ongoing = nil
        let start = ContinuousClock.now
        let saved = try step(current.save)
        current.stall += ContinuousClock.now - start
        guard let saved else {
            ongoing = current
            return
        }
        lastSavedStep = current.save.step
        let seconds = (ContinuousClock.now - current.start) / .seconds(1)
        longestSave = max(longestSave, seconds)
        report(
            .checkpoint(
                CheckpointRecord(
                    step: current.save.step, path: saved.entry.path,
                    seconds: seconds, bytes: saved.bytes,
                    stallSeconds: current.stall / .seconds(1), writingSeconds: saved.writingSeconds)))
        for warning in saved.warnings { warn(warning) }
    }

    private func warn(_ text: String) { report(.message(RunMessage(level: .warning, text: text))) }
}
