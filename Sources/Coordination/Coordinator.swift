import Numerics
import Observability
import Subprocess
import SystemPackage

/// Starts the workers of a job, follows them to their end, and passes on what they say and how they end.
public struct Coordinator: Sendable {
    private let plan: LaunchPlan
    private let console: Console

    /// After `mpirun` was told to end all ranks it gets this long before it is killed.
    private static let patience = Duration.seconds(10)

    public init(plan: LaunchPlan, console: Console = .standard) {
        self.plan = plan
        self.console = console
    }

    /// Runs the job to its end.
    ///
    /// - Parameter stopRequests: The first asks the workers to save and stop; see `StopRequest` for more of them.
    /// - Returns: The exit status to leave with: an `ExitStatus`, or the code of a worker that failed in its own way.
    /// - Throws: `ApusError` when nothing could be started.
    public func run(stopRequests: AsyncStream<StopRequest>) async throws -> Int32 {
        let configuration = try await launcherConfiguration()
        let session = LaunchSession(
            jobName: plan.job.name, launcher: plan.program, console: console,
            log: try LaunchLog(runFolder: plan.job.output, command: plan.shellCommand))
        await session.note(opening)
        let result: ExecutionResult<Void, SequenceOutput, SequenceOutput>
        do {
            result = try await Subprocess.run(configuration, input: .none, output: .sequence, error: .sequence) {
                launcher in
                let stopping = Task { await Self.forward(stopRequests, to: launcher, as: session) }
                defer { stopping.cancel() }
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
        } catch let error as SubprocessError {
            throw ApusError("running \(plan.program)", "\(error)", kind: .runtime)
        }
        switch result.terminationStatus {
        case .exited(let code): return await session.conclude(exitCode: code)
        case .signaled: return await session.conclude(exitCode: nil)
        }
    }

    private var opening: String {
        let ranks = "\(plan.ranks) \(plan.ranks == 1 ? "rank" : "ranks")"
        let threads = plan.threadsPerRank.map { " × \($0) \($0 == 1 ? "thread" : "threads")" } ?? ""
        return "starting job '\(plan.job.name)': \(ranks)\(threads) by \(plan.program)"
    }

    /// The launcher in a process group of its own, so that Ctrl-C at the terminal reaches the coordinator alone.
    private func launcherConfiguration() async throws -> Configuration {
        let environment = Environment.inherit.updating(
            Dictionary(
                uniqueKeysWithValues: plan.environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }))
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
        _ requests: AsyncStream<StopRequest>, to launcher: Execution<NoInput, SequenceOutput, SequenceOutput>,
        as session: LaunchSession
    ) async {
        var executioner: Task<Void, Never>?
        defer { executioner?.cancel() }
        for await request in requests {
            // A signal that finds the launcher gone has nothing left to do.
            switch await session.decide(request) {
            case .askToSave: try? launcher.send(signal: .userDefinedOne)
            case .endRanks:
                try? launcher.send(signal: .terminate)
                executioner = Task {
                    guard (try? await Task.sleep(for: patience)) != nil else { return }
                    try? launcher.send(signal: .kill)
                }
            case .kill: try? launcher.send(signal: .kill)
            case nil: break
            }
        }
    }
}
