import TestSupport
import Testing

/// Jobs that cannot go on end on every rank, soon, and say what was wrong.
@Suite struct FaultTests {
    @Test func ranksThatMakeDifferentCallsAreNamed() async throws {
        let result = try await runDistributed(
            worldSize: 3, program: "collectives-scenarios", arguments: ["differentCalls"], timeout: .seconds(60)
        ) { launcher in
            try await launcher.waitForOutput("all ranks must make the same calls in the same order")
            // Once in about ten such ends, Debian's mpirun (4.1.4) crashes or waits for itself in PMIx when all its ranks are
            // gone: its exit code says nothing about Apus then.
            try await launcher.killUnlessEnded(within: .seconds(10))
        }
        #expect(result.exitCode != 0, "\(result)")
        // All three ranks compare with a neighbour, and at least one of those beside rank 0 gets to say so.
        #expect(result.output.contains("all-reduce 'gradients' of 32 bytes"), "\(result)")
        #expect(result.output.contains("broadcast 'weights' of 32 bytes"), "\(result)")
        #expect(result.output.contains("all ranks must make the same calls in the same order"), "\(result)")
    }

    @Test func ranksThatPassDifferentSizesAreNamed() async throws {
        let result = try await runDistributed(
            worldSize: 2, program: "collectives-scenarios", arguments: ["differentSizes"], timeout: .seconds(60))
        #expect(result.exitCode == 1, "\(result)")
        #expect(result.output.contains("all-reduce 'gradients' of 400000 bytes"), "\(result)")
        #expect(result.output.contains("all-reduce 'gradients' of 360000 bytes"), "\(result)")
    }

    /// Messages alone find a difference only when MPI does, and report it with the collective's name.
    @Test func failingMessagesNameTheCollective() async throws {
        let result = try await runDistributed(
            worldSize: 2, program: "collectives-scenarios", arguments: ["differentSizes"],
            environment: ["APUS_COLLECTIVES": "mpi"], timeout: .seconds(60))
        #expect(result.exitCode == 1, "\(result)")
        #expect(result.output.contains("all-reduce 'gradients': MPI_Wait failed: MPI_ERR_TRUNCATE"), "\(result)")
    }

    @Test func oneRankThatAbortsEndsAll() async throws {
        let result = try await runDistributed(
            worldSize: 3, program: "collectives-scenarios", arguments: ["abort"], timeout: .seconds(60))
        #expect(result.exitCode == 7, "\(result)")
    }

    @Test(arguments: [("APUS_COLLECTIVES", "gloo"), ("APUS_RANKS_PER_HOST", "two"), ("APUS_RANKS_PER_HOST", "0")])
    func nonsenseInTheEnvironmentIsNamed(variable: String, value: String) async throws {
        let result = try await runDistributed(
            worldSize: 2, program: "collectives-scenarios", arguments: ["describe"], environment: [variable: value],
            timeout: .seconds(60))
        #expect(result.exitCode == 65, "\(result)")
        #expect(result.output.contains("reading \(variable)"), "\(result)")
        #expect(result.output.contains("found '\(value)'"), "\(result)")
    }

    @Test func tasksThatAreNoMPIJobAreRefused() async throws {
        let result = try await run(
            "collectives-scenarios", ["describe"], environment: ["SLURM_STEP_NUM_TASKS": "4", "PMIX_RANK": nil])
        #expect(result.exitCode == 65, "\(result)")
        #expect(result.output.contains("srun --mpi=pmix"), "\(result)")
    }
}
