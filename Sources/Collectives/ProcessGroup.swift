import Foundation
import Numerics

/// The ranks of the job that this process belongs to.
public enum ProcessGroup {
    /// Which implementation ranks use among each other. All give the same bits.
    public enum Preference: String, CaseIterable, Sendable {
        /// Through shared memory inside a host, by messages between hosts.
        case shared
        /// By messages alone.
        case mpi
    }

    /// All ranks of the job: a group of one if no launcher started the process. Starts MPI if needed.
    ///
    /// Every rank must call it, and on the thread that calls the collectives.
    ///
    /// - Parameter preference: nil takes shared memory where ranks share a host. The environment variable
    ///   `APUS_COLLECTIVES` (`shared` or `mpi`) overrides it.
    /// - Throws: `ApusError` if MPI does not start or the environment makes no sense.
    public static func world(preference: Preference? = nil) throws -> any Communicator {
        try world(preference: preference, sizes: TransferSizes())
    }

    package static func world(preference: Preference?, sizes: TransferSizes) throws -> any Communicator {
        let environment = ProcessInfo.processInfo.environment
        var preference = preference ?? .shared
        if let value = environment["APUS_COLLECTIVES"] {
            guard let forced = Preference(rawValue: value) else {
                throw ApusError(
                    "reading APUS_COLLECTIVES", "expected 'shared' or 'mpi', found '\(value)'", remedy: "unset it")
            }
            preference = forced
        }
        guard MPIRuntime.isLaunched else {
            try checkNotAlone(environment)
            return SingleProcessCommunicator()
        }
        try MPIRuntime.start()
        let group = MPIGroup.world(sizes: sizes)
        let identity = try HostIdentity(world: group, environment: environment)
        guard group.size > 1 else { return SingleProcessCommunicator() }
        switch preference {
        case .mpi: return MPICommunicator(group, sizes: sizes)
        case .shared: return HostSharedCommunicator.make(group, identity: identity, sizes: sizes)
        }
    }

    /// `srun` without its MPI plugin starts many processes of which each would believe to be the whole job.
    private static func checkNotAlone(_ environment: [String: String]) throws {
        guard let tasks = environment["SLURM_STEP_NUM_TASKS"].flatMap(Int.init), tasks > 1 else { return }
        throw ApusError(
            "joining the job", "srun started \(tasks) tasks, but not as ranks of one MPI job",
            remedy: "start them with `srun --mpi=pmix`, or with mpirun")
    }
}
