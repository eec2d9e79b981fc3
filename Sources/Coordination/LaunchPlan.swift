import Foundation
import JobConfiguration
import Numerics
import Supervision

/// The command that starts the workers of a job, decided and checked before anything runs.
public struct LaunchPlan: Sendable {
    /// The job with its mesh resolved for `ranks`.
    public let job: JobConfiguration
    public let ranks: Int
    /// Threads of each rank; nil leaves it to the workers, on hosts whose cores are not known here.
    public let threadsPerRank: Int?
    /// `mpirun` or `srun`.
    public let program: String
    public let arguments: [String]
    private let allocation: Allocation
    /// Variables set for the launcher and its workers, on top of what is inherited.
    public let environment: [String: String]

    /// - Parameters:
    ///   - environment: That of this process.
    ///   - processors: Those of this host.
    /// - Throws: `ApusError` when job, ranks and allocation do not fit.
    public init(
        job: JobConfiguration, request: LaunchRequest,
        environment: [String: String] = ProcessInfo.processInfo.environment,
        processors: ProcessorCount = .current
    ) throws {
        let hostfile = request.hostfile ?? job.launch.hostfile
        let allocation = try Allocation.current(
            hostfile: hostfile, environment: environment, processors: processors)
        let ranks = try Self.ranks(job: job, requested: request.ranks, allocation: allocation)
        var (job, overrides) = (job, request.overrides)
        if job.supervision.elastic, !job.fillsRanks, ranks < job.parallelism.size {
            job.parallelism.data = ranks / job.parallelism.replicaSize
            overrides.append("parallelism.data=\(job.parallelism.data)")
        }
        let threads = Self.threadsPerRank(job: job, ranks: ranks, allocation: allocation)
        let variables = Self.workerEnvironment(
            threads: threads, allocation: allocation, inherited: environment)
        let worker =
            [request.workerExecutable, "worker", request.jobPath] + overrides.flatMap { ["--set", $0] }
            + request.workerArguments
        let extraArguments = job.launch.mpirunArguments + request.launcherArguments

        self.job = try job.resolved(worldSize: ranks)
        self.ranks = ranks
        threadsPerRank = threads
        self.environment = variables
        self.allocation = allocation
        if Self.usesSlurm(request.launcher, allocation) {
            program = "srun"
            arguments =
                Self.srunArguments(ranks: ranks, threads: threads, environment: environment)
                + request.launcherArguments + worker
        } else {
            program = "mpirun"
            arguments =
                Self.mpirunArguments(
                    ranks: ranks, threads: threads, allocation: allocation, hostfile: hostfile,
                    exported: (variables.keys + ControlRoute.variables(job)).sorted(), extraArguments: extraArguments)
                + worker
        }
    }

    /// The address of this host at which workers reach the coordinator.
    ///
    /// - Throws: `ApusError` where another host's name cannot be resolved.
    func controlHost() throws -> String { try ControlRoute.host(job: job, allocation: allocation) }

    /// The command as a shell would take it, with the variables it sets.
    public var shellCommand: String {
        (environment.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted($0.value))" }
            + ([program] + arguments).map(Self.quoted)).joined(separator: " ")
    }

    private static func ranks(job: JobConfiguration, requested: Int?, allocation: Allocation) throws -> Int {
        if let requested, requested < 1 {
            throw ApusError("starting job '\(job.name)'", "--ranks must be at least 1, found \(requested)")
        }
        let replica = job.parallelism.replicaSize
        let wanted = job.fillsRanks ? filled(allocation, groupsOf: replica, job: job) : job.parallelism.size
        var ranks = requested ?? wanted
        if job.supervision.elastic, let slots = allocation.slots, ranks > slots, slots >= replica {
            ranks = filled(allocation, groupsOf: replica, job: job)
        }
        try allocation.check(ranks: ranks, job: job.name)
        return ranks
    }

    /// As many ranks as the allocation has room for and the batch can be divided among.
    private static func filled(_ allocation: Allocation, groupsOf replica: Int, job: JobConfiguration) -> Int {
        let room: Int =
            switch allocation {
            case .local(let processors): processors.cores / max(job.launch.threadsPerRank, 1)
            case .hosts(let hostfile): hostfile.slots ?? hostfile.hosts.count
            case .slurm(let tasks, _, _): tasks
            }
        let microBatches = job.training.globalBatchSize / max(job.training.microBatchSize, 1)
        let data = stride(from: max(room / replica, 1), to: 1, by: -1).first { microBatches % $0 == 0 } ?? 1
        return data * replica
    }

    private static func threadsPerRank(job: JobConfiguration, ranks: Int, allocation: Allocation) -> Int? {
        if job.launch.threadsPerRank > 0 { return job.launch.threadsPerRank }
        return switch allocation {
        case .local(let processors): max(processors.cores / ranks, 1)
        case .hosts: nil
        case .slurm(_, _, let processorsPerTask): processorsPerTask
        }
    }

    private static func workerEnvironment(
        threads: Int?, allocation: Allocation, inherited: [String: String]
    ) -> [String: String] {
        var variables = ["APUS_COORDINATED": "1"]
        if let threads { variables["APUS_THREADS_PER_RANK"] = String(threads) }
        // Open MPI refuses to start as root, as in most containers, unless it is told twice.
        if geteuid() == 0 {
            variables["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
            variables["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        }
        return variables
    }

    private static func usesSlurm(_ launcher: LaunchRequest.Launcher, _ allocation: Allocation) -> Bool {
        switch (launcher, allocation) {
        case (.srun, _), (.automatic, .slurm): true
        case (.mpirun, _), (.automatic, _): false
        }
    }

    private static func quoted(_ word: String) -> String {
        let isPlain =
            !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=:,+@%".contains($0)) }
        return isPlain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }
}
