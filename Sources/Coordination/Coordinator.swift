import Foundation
import JobConfiguration
import Numerics
import Observability
import Subprocess
import Supervision
import SystemPackage

/// Starts the workers of a job, watches over them, starts them again when they fail, and passes on what they say and how
/// they end.
public struct Coordinator: Sendable {
    /// Plans the next start anew: hosts may have gone, or come back.
    public typealias Planner = @Sendable (_ current: LaunchPlan) async throws -> LaunchPlan
    /// Ends what a failed start may have left on its hosts, told by the address that its workers were given.
    public typealias Release = @Sendable (_ address: ControlAddress) async -> Void

    private let plan: LaunchPlan
    private let replan: Planner
    private let release: Release
    private let console: Console

    /// After `mpirun` was told to end all ranks it gets this long before it is killed.
    private static let patience = Duration.seconds(10)

    public init(
        plan: LaunchPlan, console: Console = .standard, replan: @escaping Planner = { $0 },
        release: @escaping Release = { _ in }
    ) {
        self.plan = plan
        self.replan = replan
        self.release = release
        self.console = console
    }

    /// Runs the job to its end.
    ///
    /// - Parameter stopRequests: The first asks the workers to save and stop; see `StopRequest` for more of them.
    /// - Returns: The exit status to leave with: an `ExitStatus`, or the code of a worker that failed in its own way.
    /// - Throws: `ApusError` when nothing could be started.
    public func run(stopRequests: AsyncStream<StopRequest>) async throws -> Int32 {
        let log = try LaunchLog(runFolder: plan.job.output, command: plan.shellCommand)
        let lock = try RunLock.take("coordinator", inRun: plan.job.output, patience: .zero)
        defer { withExtendedLifetime(lock) {} }
        let session = LaunchSession(jobName: plan.job.name, launcher: plan.program, console: console, log: log)
        let launcher = LauncherProcess()
        let stopping = Task { await Self.forward(stopRequests, to: launcher, as: session) }
        defer { stopping.cancel() }

        var history = RestartHistory(plan.job.supervision)
        let deadline =
            plan.job.launch.walltimeSeconds > 0
            ? Date().addingTimeInterval(TimeInterval(plan.job.launch.walltimeSeconds)) : nil
        var plan = self.plan
        while true {
            await session.begin(Self.opening(plan))
            let exitCode = try await start(plan, launcher, session, deadline: deadline)
            let ending = await session.conclude(exitCode: exitCode, failure: await launcher.failure)
            guard ending.mayRestart else { return ending.status }
            switch history.failed(step: ending.step, checkpoint: ending.checkpoint) {
            case .giveUp(let reason):
                await session.giveUp(reason)
                return ending.status
            case .restart(let number, let pause):
                guard await session.pause(beforeRestart: number, of: plan.job.supervision.maxRestarts, pause) else {
                    return ExitStatus.stopped.rawValue
                }
                let current = plan
                guard let next = try await session.prepareRestart({ try await replan(current) }) else {
                    return ExitStatus.stopped.rawValue
                }
                plan = next
            }
        }
    }

    /// Starts the workers once, and follows them to their end.
    ///
    /// - Returns: The launcher's exit code, nil when a signal ended it.
    private func start(
        _ plan: LaunchPlan, _ process: LauncherProcess, _ session: LaunchSession, deadline: Date?
    ) async throws -> Int32? {
        let supervision = plan.job.supervision
        let secret = ControlSecret()
        let receiver = try HeartbeatReceiver(
            host: try plan.controlHost(), secret: secret,
            limit: StallLimit(
                floor: .seconds(Double(supervision.stallFloorSeconds)),
                ceiling: .seconds(Double(supervision.stallCeilingSeconds))))
        var variables = plan.environment
        variables[ControlAddress.variable] = receiver.address.description
        variables[ControlSecret.variable] = secret.text
        if let deadline { variables["APUS_DEADLINE"] = String(Int(deadline.timeIntervalSince1970)) }
        let configuration = try await launcherConfiguration(plan, variables)
        let roll = WorkerRoll(runFolder: plan.job.output, ranks: plan.ranks)
        receiver.start {
            roll.write($0)
        } onFailure: { failure in
            Task {
                await session.noteFailure(failure)
                await process.end(after: failure)
            }
        } onAllLeft: {
            Task {
                try? await Task.sleep(for: Self.patience)
                await process.endLauncher()
            }
        }
        var endedInOrder = false
        do {
            let result = try await Subprocess.run(configuration, input: .none, output: .sequence, error: .sequence) {
                launcher in
                await process.started(launcher.processIdentifier.value, supervisedBy: receiver)
                try await Guardian.watch(over: launcher.processIdentifier) {
                    // Both streams at once: a launcher that cannot write the one never ends the other.
                    async let output: Void = {
                        for try await line in Self.lines(launcher.standardOutput) {
                            await session.receive(outputLine: line)
                        }
                    }()
                    for try await line in Self.lines(launcher.standardError) {
                        await session.receive(errorLine: line)
                    }
                    try await output
                }
            }
            endedInOrder = result.terminationStatus.isSuccess
            await process.ended(inOrder: endedInOrder)
            if !endedInOrder { await release(receiver.address) }
            switch result.terminationStatus {
            case .exited(let code): return code
            case .signaled: return receiver.hasEveryoneLeft ? receiver.firstGoodbye : nil
            }
        } catch {
            await process.ended(inOrder: false)
            await release(receiver.address)
            guard let error = error as? SubprocessError else { throw error }
            throw ApusError("running \(plan.program)", "\(error)", kind: .runtime)
        }
    }

    private static func opening(_ plan: LaunchPlan) -> String {
        let ranks = "\(plan.ranks) \(plan.ranks == 1 ? "rank" : "ranks")"
        let threads = plan.threadsPerRank.map { " × \($0) \($0 == 1 ? "thread" : "threads")" } ?? ""
        return "starting job '\(plan.job.name)': \(ranks)\(threads) by \(plan.program)"
    }

    /// The launcher in a process group of its own, so that Ctrl-C at the terminal reaches the coordinator alone.
    private func launcherConfiguration(
        _ plan: LaunchPlan, _ variables: [String: String]
    ) async throws -> Configuration {
        let environment = Environment.inherit.updating(
            Dictionary(
                uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0.key), $0.value) }))
        let program: FilePath
        do {
            program = try await Executable.name(plan.program).resolveExecutablePath(in: environment)
        } catch {
            throw ApusError(
                "starting the workers", "\(plan.program) is not in PATH",
                remedy: plan.program == "mpirun"
                    ? "install Open MPI (apt install openmpi-bin), or add its bin folder to PATH"
                    : "load Slurm's commands, or use --launcher mpirun",
                kind: .runtime)
        }
        var options = PlatformOptions()
        options.processGroupID = 0
        return Configuration(
            executable: .path(program), arguments: Arguments(plan.arguments), environment: environment,
            platformOptions: options)
    }

    /// Lines end at a line feed alone: JSON may hold the other separators of Unicode.
    private static func lines(
        _ stream: SubprocessOutputSequence
    ) -> SubprocessOutputSequence.StringSequence<UTF8> {
        stream.strings(separatedBy: .unicodeScalarSequence("\n".unicodeScalars), bufferingPolicy: .unbounded)
    }

    private static func forward(
        _ requests: AsyncStream<StopRequest>, to launcher: LauncherProcess, as session: LaunchSession
    ) async {
        for await request in requests {
            switch await session.decide(request) {
            case .askToSave: await launcher.send(SIGUSR1)
            case .endRanks:
                await launcher.send(SIGTERM)
                Task {
                    try? await Task.sleep(for: patience)
                    if await session.isForced { await launcher.send(SIGKILL) }
                }
            case .kill: await launcher.send(SIGKILL)
            case nil: break
            }
        }
    }
}
