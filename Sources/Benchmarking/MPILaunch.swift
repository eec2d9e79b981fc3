import Collectives
import Foundation
import Numerics

/// Starts this very command again as several ranks.
public enum MPILaunch {
    /// Replaces the process by `mpirun -np <ranks>` of itself with the same arguments; returns where the process is a
    /// rank already, or where one rank is wanted.
    ///
    /// - Throws: `ApusError` where mpirun cannot be started.
    public static func restart(ranks: Int) throws {
        guard ranks > 1, !MPIRuntime.isLaunched else { return }
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1)
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1)
        var arguments = ["mpirun", "-np", "\(ranks)", "--bind-to", "none"]
        if ranks > OnlineCores.count { arguments += ["--oversubscribe", "--mca", "mpi_yield_when_idle", "1"] }
        arguments += ["--mca", "btl_vader_single_copy_mechanism", "none"]
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        arguments.append(program)
        arguments += CommandLine.arguments.dropFirst()
        var pointers = arguments.map { strdup($0) } + [nil]
        execvp("mpirun", &pointers)
        throw ApusError(
            "starting \(ranks) ranks", "mpirun cannot be run: \(String(cString: strerror(errno)))",
            remedy: "install Open MPI (Debian: openmpi-bin), or start the ranks yourself: mpirun -np \(ranks) apus …",
            kind: .runtime)
    }
}
