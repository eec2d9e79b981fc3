import COpenMPI
import Foundation
import Numerics
import Synchronization

/// The MPI library as this process uses it: started at most once, ended at most once, and not touched at all by a
/// process that no launcher started.
public enum MPIRuntime {
    private enum State {
        case notStarted
        case running
        case finalized
    }

    private static let state = Mutex(State.notStarted)
    private static let allowsConcurrentCalls = Atomic<Bool>(false)

    /// Whether several threads may call MPI at the same time: the library provides `MPI_THREAD_MULTIPLE`.
    public static var supportsConcurrentCalls: Bool { allowsConcurrentCalls.load(ordering: .relaxed) }

    /// Whether `mpirun` or `srun` started this process as one of several ranks' processes.
    ///
    /// Without a launcher there is one rank, and MPI is not initialised: that would take a second, and would fail on a
    /// machine where MPI is not set up.
    public static var isLaunched: Bool {
        let environment = ProcessInfo.processInfo.environment
        return ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"].contains { environment[$0] != nil }
    }

    public static var isRunning: Bool { state.withLock { $0 == .running } }

    /// The MPI library's own description of its version.
    public static var libraryVersion: String {
        let version = string(capacity: Int(apus_mpi_max_library_version_string())) { MPI_Get_library_version($0, $1) }
        return version.trimmingCharacters(in: .whitespacesAndNewlines.union(["\0"]))
    }

    /// Initialises MPI; the thread that calls this must be the one that calls the collectives, but for those that say
    /// otherwise.
    static func start() throws {
        if isRunning { return }
        guard state.withLock({ $0 == .notStarted }) else {
            throw ApusError("starting MPI", "MPI was already ended in this process", remedy: "start a new process")
        }
        var provided: Int32 = 0
        let status = MPI_Init_thread(nil, nil, apus_mpi_thread_multiple(), &provided)
        guard status == apus_mpi_success() else {
            throw ApusError(
                "starting MPI", "MPI_Init_thread failed: \(errorString(status))",
                remedy: "check that `mpirun -np 2 hostname` works here")
        }
        guard provided >= apus_mpi_thread_funneled() else {
            throw ApusError(
                "starting MPI", "the library does not support threads (level \(provided))",
                remedy: "use an MPI library built with thread support")
        }
        allowsConcurrentCalls.store(provided >= apus_mpi_thread_multiple(), ordering: .relaxed)
        // By default MPI ends the process itself with a message that does not say what Apus was doing.
        MPI_Comm_set_errhandler(apus_mpi_comm_world(), apus_mpi_errors_return())
        state.withLock { $0 = .running }
    }

    /// Ends MPI, after which no communicator of the process may be used. Every rank must get here.
    /// Does nothing when MPI is not running.
    public static func finalize() {
        guard isRunning else { return }
        MPI_Finalize()
        state.withLock { $0 = .finalized }
    }

    /// Ends every rank of the job at once; `code` becomes the exit code of the launcher.
    public static func abort(code: Int32) -> Never {
        fflush(nil)
        if isRunning { MPI_Abort(apus_mpi_comm_world(), code) }
        exit(code)
    }

    /// Ends the job because a collective cannot go on: says which one it was on standard error.
    static func fail(_ problem: String) -> Never {
        let call = LabelledCall.latest.map { "\($0.kind) '\($0.label)': " } ?? ""
        FileHandle.standardError.write(
            Data("apus: \(LaunchedProcess.rank.map { "rank \($0): " } ?? "")\(call)\(problem)\n".utf8))
        abort(code: 1)
    }

    /// Ends the job when an MPI call has failed.
    @inline(__always)
    static func check(_ status: Int32, _ call: StaticString) {
        if status != apus_mpi_success() { fail("\(call) failed: \(errorString(status))") }
    }

    private static func errorString(_ status: Int32) -> String {
        string(capacity: Int(apus_mpi_max_error_string())) { MPI_Error_string(status, $0, $1) }
    }

    private static func string(
        capacity: Int, _ fill: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int32>) -> Int32
    ) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity + 1) { buffer in
            buffer.initialize(repeating: 0)
            var length: Int32 = 0
            _ = fill(buffer.baseAddress!, &length)
            return String(cString: buffer.baseAddress!)
        }
    }
}
