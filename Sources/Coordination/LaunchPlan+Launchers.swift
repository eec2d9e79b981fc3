extension LaunchPlan {
    /// The arguments of Open MPI's `mpirun` before the worker's own command line.
    static func mpirunArguments(
        ranks: Int, threads: Int?, allocation: Allocation, hostfile: String?, exported: [String],
        extraArguments: [String]
    ) -> [String] {
        var arguments = ["-np", String(ranks)]
        if let hostfile { arguments += ["--hostfile", hostfile] }
        if case .local(let processors) = allocation {
            if ranks > processors.cores { arguments += ["--oversubscribe"] }
            // A waiting rank spins; where ranks share a processor it must let the others have it.
            if ranks * (threads ?? 1) > processors.hardwareThreads {
                arguments += ["--mca", "mpi_yield_when_idle", "1"]
            }
        }
        if !extraArguments.contains(where: { $0.hasPrefix("--bind-to") || $0.hasPrefix("--map-by") }) {
            arguments += binding(ranks: ranks, threads: threads, allocation: allocation)
        }
        // Local ranks inherit the environment, but those on other hosts get what is named here.
        if !allocation.isOnThisHostAlone { arguments += exported.flatMap { ["-x", $0] } }
        return arguments + extraArguments
    }

    /// Each rank on cores of its own where there are enough; otherwise, and where the cores of the hosts are not known,
    /// the kernel places the threads: a rank bound to fewer cores than it has threads is far slower than one unbound.
    private static func binding(ranks: Int, threads: Int?, allocation: Allocation) -> [String] {
        guard case .local(let processors) = allocation, let threads, ranks * threads <= processors.cores else {
            return ["--bind-to", "none"]
        }
        return ["--map-by", "slot:PE=\(threads)", "--bind-to", "core"]
    }

    /// The arguments of Slurm's `srun` before the worker's own command line.
    ///
    /// Debian's Open MPI speaks PMIx; a site that needs another plugin sets `SLURM_MPI_TYPE`.
    static func srunArguments(ranks: Int, threads: Int?, environment: [String: String]) -> [String] {
        var arguments = ["--ntasks=\(ranks)", "--kill-on-bad-exit=1"]
        if environment["SLURM_MPI_TYPE"] == nil { arguments.append("--mpi=pmix") }
        if let threads { arguments.append("--cpus-per-task=\(threads)") }
        return arguments
    }
}
