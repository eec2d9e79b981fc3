/// What `apus launch` was asked for, before it is known what the machine gives.
public struct LaunchRequest: Hashable, Sendable {
    public enum Launcher: String, CaseIterable, Hashable, Sendable {
        /// `srun` inside a Slurm job without a hostfile, `mpirun` otherwise.
        case automatic
        case mpirun
        case srun
    }

    /// The job file, as the workers shall open it.
    public var jobPath: String
    /// Overrides `a.b=c`, passed on to the workers.
    public var overrides: [String]
    /// Further arguments of the workers, after those.
    public var workerArguments: [String]
    /// Ranks to start; nil starts as many as the job's mesh has, or the allocation when the mesh takes what it gets.
    public var ranks: Int?
    public var launcher: Launcher
    /// Comes before the job's own `launch.hostfile`.
    public var hostfile: String?
    /// Handed to `mpirun` or `srun` as they are, after the job's own.
    public var launcherArguments: [String]
    /// The program whose `worker` subcommand runs a rank.
    public var workerExecutable: String

    public init(
        jobPath: String, overrides: [String] = [], workerArguments: [String] = [], ranks: Int? = nil,
        launcher: Launcher = .automatic, hostfile: String? = nil, launcherArguments: [String] = [],
        workerExecutable: String
    ) {
        self.jobPath = jobPath
        self.overrides = overrides
        self.workerArguments = workerArguments
        self.ranks = ranks
        self.launcher = launcher
        self.hostfile = hostfile
        self.launcherArguments = launcherArguments
        self.workerExecutable = workerExecutable
    }
}
