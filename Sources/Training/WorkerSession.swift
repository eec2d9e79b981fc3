import Collectives
import Foundation
import JobConfiguration
import Kernels
import Numerics
import Supervision

/// This process as a rank: the ranks it was started with, and the threads it may use.
///
/// Works the same under `mpirun`, under `srun` and alone.
public final class WorkerSession {
    public let world: any Communicator
    public private(set) var pool: ThreadPool
    private let heartbeats: HeartbeatSender?

    /// - Parameter threadsPerRank: nil or 0 divides the cores that a host's ranks may use among them.
    public init(threadsPerRank: Int? = nil) throws {
        try MatrixProduct.check()
        // Before anything that may hang: the coordinator watches over the start as well.
        heartbeats = try HeartbeatSender.start(rank: LaunchedProcess.rank ?? 0) { _ in StopRequest.request() }
        FaultPoint.reach(.start)
        world = try ProcessGroup.world()
        pool = ThreadPool(threadCount: 1)
        useThreads(threadsPerRank ?? 0)
    }

    /// Changes how many threads the rank works with; 0 chooses by the cores.
    public func useThreads(_ count: Int) {
        let wanted = count > 0 ? count : Self.defaultThreadCount()
        if wanted != pool.threadCount { pool = ThreadPool(threadCount: wanted) }
    }

    /// A bound rank has its cores to itself; unbound ranks share those of their host.
    private static func defaultThreadCount() -> Int {
        let environment = ProcessInfo.processInfo.environment
        func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
        if let wanted = number("APUS_THREADS_PER_RANK"), wanted > 0 { return wanted }
        let usable = OnlineCores.count
        let isBound = usable < ProcessInfo.processInfo.processorCount
        let ranksHere = number("OMPI_COMM_WORLD_LOCAL_SIZE") ?? number("SLURM_NTASKS_PER_NODE") ?? 1
        return max(isBound ? usable : usable / ranksHere, 1)
    }

    /// Runs `body` as this rank's whole work, reports what fails on standard error, and ends MPI.
    ///
    /// A failure that all ranks agreed on is told once and ends every rank in order. Any other failure is this rank's
    /// alone, and the others may be waiting for it in a collective: it ends the job at once.
    /// - Returns: What the process should exit with.
    public func run(_ body: () throws -> ExitStatus) -> ExitStatus {
        do {
            let status = try body()
            end(status)
            return status
        } catch let failure as AgreedFailure {
            if failure.reporter == world.rank { Self.tell(failure) }
            end(failure.status)
            return failure.status
        } catch {
            let status = ExitStatus(error)
            guard world.size > 1 else {
                Self.tell(error)
                heartbeats?.leave(status: status.rawValue)
                return status
            }
            Self.tell("rank \(world.rank) of \(world.size): \(error)")
            MPIRuntime.abort(code: status.rawValue)
        }
    }

    private static func tell(_ error: Any) {
        FileHandle.standardError.write(Data("error: \(error)\n".utf8))
    }

    private func end(_ status: ExitStatus) {
        pool.shutDown()
        // A rank that leaves before the others have heard of its failure would look like a crash to the launcher.
        world.barrier(label: "end of the job")
        heartbeats?.leave(status: status.rawValue)
        MPIRuntime.finalize()
    }
}
