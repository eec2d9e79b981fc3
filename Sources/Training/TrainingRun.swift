import Checkpointing
import Collectives
import Foundation
import JobConfiguration
import Kernels
import Numerics
import Observability
import Parallelism
import Supervision
import TokenData

/// A job from its first step, or from a checkpoint, to its last: one rank's part.
///
/// Every decision that changes what happens next (stop, save, fail) is taken by all ranks together.
public final class TrainingRun {
    let job: JobConfiguration
    let world: any Communicator
    private let mesh: Mesh
    let engine: TrainingEngine
    let training: BatchLoader
    private let validation: Validation?
    let saver: CheckpointSaver
    private let hostCopies: HostCopies?
    /// Present where the job asks for it.
    private let replicaCheck: ReplicaCheck?
    /// Rank 0's; the other ranks are silent.
    let reporter: RunReporter?
    private let peakGFLOPs: Double
    private let profile: StepProfile?
    /// Rank 0's: no other job works on this run.
    private let lock: RunLock?
    private var walltime: WalltimeLimit

    /// Steps done.
    var step = 0
    /// Position in the data: the global number of the next step's first sample.
    var nextSample: UInt64 = 0
    private var firstLoss: Double?
    private var lastLoss = 0.0
    var lastCheckedStep: Int?
    /// Judges every step; the same on all ranks.
    var numericalGuard: NumericalGuard

    /// Collective over `world`: opens the data, builds the model and, where there is a checkpoint to go on from, loads
    /// it.
    ///
    /// - Parameter profile: What to profile; its folder is `profile` in the run's unless it names one.
    /// - Throws: `AgreedFailure`, the same on every rank, for anything that any rank finds wrong.
    public init(
        _ job: JobConfiguration, world: any Communicator, pool: ThreadPool, profile: StepProfile.Request? = nil
    ) throws {
        let job = try world.agree(on: "the mesh") { try job.resolved(worldSize: world.size) }
        self.job = job
        self.world = world
        walltime = WalltimeLimit(seconds: job.launch.walltimeSeconds)
        WorkerStatus.enter(.loading)
        let folders = RunFolders(job.output)
        let mesh = Mesh(job.parallelism, world: world)
        self.mesh = mesh
        let positions = mesh.positions(sequenceLength: job.training.sequenceLength)
        let (training, validation) = try world.agree(on: "the data") { try Self.openData(job, positions: positions) }
        self.training = training
        lock = try Self.lock(folders, world: world)
        engine = TrainingEngine(
            model: job.model, optimizer: job.optimizer, seed: job.seed, mesh: mesh, pool: pool,
            exchange: job.gradientExchange, recomputation: job.training.recomputation,
            determinism: job.determinism, activations: job.activationSplit, pipeline: job.pipeline,
            sequenceLength: job.training.sequenceLength)
        replicaCheck = job.training.replicaCheckEvery > 0 ? ReplicaCheck(engine) : nil
        self.validation = validation.map {
            Validation(
                $0, microBatchSize: job.training.microBatchSize, sequenceLength: job.training.sequenceLength,
                samples: job.evaluation.samples, mesh: mesh)
        }
        let checkpoints = CheckpointFolder(
            folders.checkpoints,
            retention: .init(keepLast: job.checkpoint.keepLast, keepEvery: job.checkpoint.keepEvery))
        FaultPoint.reach(.load)
        hostCopies = try Self.hostCopies(job, folders, world: world)
        let restored = try job.checkpoint.resume == .automatic ? hostCopies?.restore(into: checkpoints) : nil
        let (resumed, warnings) = try Self.resume(job, from: checkpoints, into: engine, world: world)
        let firstStep = resumed?.step ?? 0
        step = firstStep
        nextSample = resumed?.nextSample ?? 0
        numericalGuard = NumericalGuard(job.guards, restoring: resumed?.extra[Self.guardKey])
        let reporter: RunReporter? = try world.agree(on: "the run's folder") {
            guard world.rank == 0 else { return nil }
            try folders.write(resolvedJob: job.yaml)
            return try RunReporter(folder: job.output, title: job.name, resumedStep: firstStep)
        }
        self.reporter = reporter
        saver = CheckpointSaver(
            job.checkpoint, folder: checkpoints, savedStep: resumed?.isOwn == true ? step : nil, world: world,
            pool: pool
        ) { reporter?.report($0) }
        try saver.prepare(engine.ownedTensors())
        peakGFLOPs = Self.measurePeak(world: world, pool: pool)
        self.profile = try profile.map {
            try StepProfile($0, defaultFolder: folders.profile, world: world, pool: pool)
        }
        reporter?.report(
            .started(
                RunFacts(
                    name: job.name, parameters: job.model.parameterCount, mesh: job.parallelism.description,
                    ranks: world.size, threadsPerRank: pool.threadCount, tokensPerStep: job.tokensPerStep,
                    totalSteps: job.training.steps, resumedStep: step)))
        if let notice = engine.exchangeNotice {
            reporter?.report(.message(RunMessage(level: .warning, text: notice)))
        }
        if let step = restored?.step {
            reporter?.report(
                .message(
                    RunMessage(level: .note, text: "the checkpoint of step \(step) is from the hosts' own copies")))
        }
        for warning in [restored?.warning].compactMap(\.self) + warnings {
            reporter?.report(.message(RunMessage(level: .warning, text: warning)))
        }
        if let replicaCheck, !replicaCheck.comparesAnything {
            reporter?.report(
                .message(
                    RunMessage(
                        level: .warning,
                        text: "training.replicaCheckEvery: the replicas of this host have parameters and moments once "
                            + "between them, so there is nothing to compare")))
        }
    }

    public enum Outcome: Sendable {
        case finished
        /// Asked to stop; the state is saved.
        case stopped
    }

    /// Trains up to the job's last step, or until asked to stop.
    public func run() throws -> Outcome {
        do {
            return try train()
        } catch let failure as AgreedFailure {
            saver.finishAfterFailure()
            throw failure
        }
    }

    private func train() throws -> Outcome {
        StopRequest.listen()
        let start = ContinuousClock.now
        var clock = StepClock(step: step)
        var stepsTaken = 0
        defer { tell(profile?.finish()) }
        WorkerStatus.reached(step: step)
        WorkerStatus.enter(.training)
        walltime.begin()
        while step < job.training.steps {
            FaultPoint.reach(.step)
            stepsTaken += 1
            profile?.stepBegins(stepsTaken)
            let result = try trainOneStep()
            guard try isAccepted(result) else { continue }
            step += 1
            WorkerStatus.reached(step: step)
            walltime.stepEnded()
            nextSample += UInt64(job.training.globalBatchSize)
            firstLoss = firstLoss ?? result.loss
            lastLoss = result.loss
            let isLast = step == job.training.steps
            try clock.pause { try saver.advance(result.votes) }
            if job.training.replicaCheckEvery > 0, step % job.training.replicaCheckEvery == 0 {
                try clock.pause { try checkReplicas() }
            }
            if step % job.training.logEvery == 0 || isLast || step == 1 { report(result, &clock) }
            if isLast || (job.evaluation.every > 0 && step % job.evaluation.every == 0) {
                try clock.pause {
                    try Profiler.span(.besides, "evaluation") {
                        try WorkerStatus.during(.evaluating) { try evaluate() }
                    }
                }
            }
            if result.votes[.stop] || (job.checkpoint.every > 0 && step % job.checkpoint.every == 0) {
                let stops = isLast || result.votes[.stop]
                try clock.pause {
                    try Profiler.span(.besides, "checkpoint") {
                        try WorkerStatus.during(.saving) { try save(isLast: stops) }
                    }
                }
            }
            if let hostCopies, step % job.checkpoint.localEvery == 0, saver.lastSavedStep != step, !isLast,
                !result.votes[.stop]
            {
                try clock.pause { try WorkerStatus.during(.saving) { try save(to: hostCopies) } }
            }
            if result.votes[.stop], !isLast {
                reporter?.report(
                    .stopping(
                        StopNotice(
                            reason: walltime.isNear(savingTakes: saver.longestSave)
                                ? "the time limit is near" : "asked to stop by a signal", step: step
                        )))
                return .stopped
            }
            if let profile { clock.pause { tell(profile.stepEnded(stepsTaken)) } }
        }
        // A checkpoint that came from another folder or layout is this run's own from here on.
        try WorkerStatus.during(.saving) { try save(isLast: true) }
        WorkerStatus.enter(.ending)
        finish(seconds: (ContinuousClock.now - start) / .seconds(1))
        return .finished
    }

    private func trainOneStep() throws -> TrainingEngine.StepResult {
        let microBatchSize = UInt64(job.training.microBatchSize)
        let perPart = UInt64(job.training.globalBatchSize / mesh.configuration.batchParts)
        let first = nextSample + perPart * UInt64(mesh.batchPart)
        return try engine.step(
            microBatches: Int(perPart / microBatchSize), tokensPerStep: job.tokensPerStep, step: updates,
            learningRate: job.optimizer.learningRate(step: step, totalSteps: job.training.steps),
            lossLimit: numericalGuard.lossLimit, votes: votes(),
            microBatch: { index in
                let start = first + UInt64(index) * microBatchSize
                return try training.batch(start..<start + microBatchSize)
            })
    }

    private func votes() -> StepVotes {
        var votes = StepVotes()
        votes[.stop] = StopRequest.isPending || walltime.isNear(savingTakes: saver.longestSave)
        votes[.savePartEnded] = saver.hasPartEnded
        return votes
    }

    private var tokensSeen: Int {
        // Only an edited checkpoint counts so far.
        let (tokens, overflow) = Int(nextSample).multipliedReportingOverflow(by: job.training.sequenceLength)
        return overflow ? 1 << 60 : min(tokens, 1 << 60)
    }

    private func report(_ result: TrainingEngine.StepResult, _ clock: inout StepClock) {
        let seconds = clock.secondsPerStep(at: step)
        let rate =
            job.model.trainingFLOPs(tokens: job.tokensPerStep, sequenceLength: job.training.sequenceLength) / seconds
            / 1e9
        reporter?.report(
            .step(
                StepMetrics(
                    step: step, totalSteps: job.training.steps, loss: result.loss,
                    learningRate: Double(
                        job.optimizer.learningRate(step: step - 1, totalSteps: job.training.steps)),
                    gradientNorm: result.gradientNorm, tokensPerSecond: Double(job.tokensPerStep) / seconds,
                    modelGFLOPs: rate, peakShare: rate / peakGFLOPs, stepSeconds: seconds,
                    secondsLeft: seconds * Double(job.training.steps - step), tokensSeen: tokensSeen,
                    peakRSSMiB: ProcessMemory.peakMiB)))
    }

    private func tell(_ table: String?) {
        if let table { reporter?.tell(words: table) }
    }

    private func evaluate() throws {
        guard let validation else { return }
        let start = ContinuousClock.now
        let loss = try validation.loss(of: engine)
        reporter?.report(
            .evaluation(
                EvaluationMetrics(
                    step: step, loss: loss, perplexity: exp(loss),
                    seconds: (ContinuousClock.now - start) / .seconds(1))))
    }

    /// Fails, on all ranks with the same words, where a copy of the parameters is not like the others.
    private func checkReplicas() throws {
        guard let replicaCheck, lastCheckedStep != step else { return }
        if let verdict = Profiler.span(.besides, "replica check", { replicaCheck.verdict() }) {
            throw AgreedFailure.everywhere(verdict.error(step: step))
        }
        lastCheckedStep = step
    }

    private func save(isLast: Bool) throws {
        // What is saved must be good: it is what a run goes on from after a failed check.
        try checkReplicas()
        try saver.save(step: step, state: checkpointState(), tensors: engine.ownedTensors(), isLast: isLast)
    }

    func checkpointState() -> CheckpointState {
        CheckpointState(
            nextSample: Int(nextSample), tokensSeen: tokensSeen, job: job.yaml,
            extra: numericalGuard.memory.map { [Self.guardKey: $0] } ?? [:])
    }

    private func finish(seconds: Double) {
        reporter?.report(
            .finished(
                RunSummary(
                    firstLoss: firstLoss, lastLoss: firstLoss == nil ? nil : lastLoss, steps: step, seconds: seconds,
                    lossCurvePath: reporter?.lossCurvePath,
                    checkpointPath: saver.lastSavedStep.map {
                        "\(saver.folder.path)/\(CheckpointFolder.name(step: $0))"
                    })))
    }

    private static func measurePeak(world: any Communicator, pool: ThreadPool) -> Double {
        var peak = [PeakMeasurement.multiplyAddGFLOPs(threads: pool.threadCount)]
        peak.withUnsafeMutableBufferPointer { world.allReduce($0, .sum, label: "peak measurement") }
        return peak[0]
    }
}
