import Coordination
import Foundation
import JobConfiguration
import Numerics
import TestSupport
import Testing

@Suite struct LaunchPlanTests {
    private static let four = ProcessorCount(hardwareThreads: 8, cores: 4)

    private func plan(
        parallelism: String = "{data: 2, tensor: 2}", launch: String = "{}", ranks: Int? = nil,
        launcher: LaunchRequest.Launcher = .automatic, hostfile: String? = nil, arguments: [String] = [],
        environment: [String: String] = [:]
    ) throws -> LaunchPlan {
        let yaml = """
            name: plan
            model: {architecture: gpt2, layers: 1, hiddenSize: 16, heads: 4, contextLength: 8, vocabularySize: 256}
            data: {train: [tokens]}
            training: {steps: 5, globalBatchSize: 12, microBatchSize: 1}
            parallelism: \(parallelism)
            launch: \(launch)
            """
        return try LaunchPlan(
            job: try JobConfiguration.load(yaml: yaml, name: "job.yaml"),
            request: LaunchRequest(
                jobPath: "job.yaml", overrides: ["seed=7"], ranks: ranks, launcher: launcher, hostfile: hostfile,
                launcherArguments: arguments, workerExecutable: "/bin/apus"),
            environment: environment, processors: Self.four)
    }

    @Test func eachRankGetsACoreOfItsOwnWhereThereAreEnough() throws {
        let plan = try plan()
        #expect(plan.program == "mpirun")
        #expect(
            plan.arguments == [
                "-np", "4", "--map-by", "slot:PE=1", "--bind-to", "core", "/bin/apus", "worker", "job.yaml", "--set",
                "seed=7",
            ])
        #expect(plan.threadsPerRank == 1)
        #expect(plan.environment["APUS_COORDINATED"] == "1")
        #expect(plan.environment["APUS_THREADS_PER_RANK"] == "1")
    }

    @Test func coresAreDividedAmongTheRanks() throws {
        let plan = try plan(parallelism: "{data: 2}")
        #expect(plan.threadsPerRank == 2)
        #expect(plan.arguments.contains("slot:PE=2"))
    }

    @Test func moreRanksThanCoresShareThem() throws {
        let plan = try plan(parallelism: "{data: 12}")
        #expect(plan.threadsPerRank == 1)
        #expect(plan.arguments.contains("--oversubscribe"))
        #expect(plan.arguments.contains("mpi_yield_when_idle"))
        #expect(plan.shellCommand.contains("--bind-to none"))
    }

    @Test func ranksOnHardwareThreadsNeedNotYield() throws {
        let plan = try plan(parallelism: "{data: 6}")
        #expect(plan.arguments.contains("--oversubscribe"))
        #expect(!plan.arguments.contains("mpi_yield_when_idle"))
    }

    @Test func moreThreadsThanCoresAreNotBound() throws {
        let plan = try plan(parallelism: "{data: 2}", launch: "{threadsPerRank: 4}")
        #expect(plan.shellCommand.contains("--bind-to none"))
        #expect(!plan.arguments.contains("--oversubscribe"))
    }

    @Test func theUsersBindingComesInPlaceOfOurs() throws {
        let plan = try plan(launch: "{mpirunArguments: [--report-bindings]}", arguments: ["--bind-to", "socket"])
        #expect(!plan.arguments.contains("slot:PE=1"))
        #expect(plan.shellCommand.contains("--report-bindings --bind-to socket /bin/apus worker"))
    }

    @Test func aMeshThatTakesWhatItGetsFillsTheCores() throws {
        #expect(try plan(parallelism: "{data: auto, tensor: 2}").job.parallelism.data == 2)
        #expect(try plan(parallelism: "{data: auto}").ranks == 4)
        #expect(try plan(parallelism: "{data: auto}", launch: "{threadsPerRank: 2}").ranks == 2)
        // Twelve micro-batches cannot be divided among five.
        let environment = ["SLURM_JOB_ID": "1", "SLURM_NTASKS": "5"]
        #expect(try plan(parallelism: "{data: auto}", environment: environment).ranks == 4)
    }

    @Test func ranksThatDoNotFitTheMeshAreRefused() {
        let error = #expect(throws: ApusError.self) { try plan(ranks: 3) }
        #expect(error?.description.contains("4 ranks") == true)
        #expect(error?.description.contains("3 were started") == true)
        #expect(throws: ApusError.self) { try plan(ranks: 0) }
    }

    @Test func aHostfileIsHandedOnWithTheVariables() throws {
        try withTemporaryFolder { folder in
            let path = folder.path + "/hosts"
            try "a slots=2\nb slots=2\n".write(toFile: path, atomically: true, encoding: .utf8)
            let plan = try plan(hostfile: path)
            #expect(plan.shellCommand.contains("--hostfile \(path)"))
            #expect(plan.shellCommand.contains("-x APUS_COORDINATED"))
            #expect(plan.threadsPerRank == nil)

            let error = #expect(throws: ApusError.self) { try self.plan(parallelism: "{data: 6}", hostfile: path) }
            #expect(error?.description.contains("needs 6 ranks, but the hostfile \(path) gives 4") == true)
        }
    }

    @Test func underSlurmTheTasksAreStartedBySrun() throws {
        let environment = ["SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_CPUS_PER_TASK": "8", "SLURM_NNODES": "2"]
        let plan = try plan(arguments: ["--label"], environment: environment)
        #expect(plan.program == "srun")
        #expect(
            plan.arguments.starts(with: [
                "--ntasks=4", "--kill-on-bad-exit=1", "--mpi=pmix", "--cpus-per-task=8", "--label", "/bin/apus",
                "worker",
            ]))
        #expect(plan.threadsPerRank == 8)
        #expect(try self.plan(launcher: .mpirun, environment: environment).program == "mpirun")

        let error = #expect(throws: ApusError.self) {
            try self.plan(environment: ["SLURM_JOB_ID": "1", "SLURM_NTASKS": "2"])
        }
        #expect(error?.description.contains("--ntasks") == true)
        #expect(throws: ApusError.self) { try self.plan(environment: ["SLURM_JOB_ID": "1"]) }
    }

    @Test func theCommandCanBePastedIntoAShell() throws {
        let plan = try plan(arguments: ["--prefix", "/opt/it's here"])
        #expect(plan.shellCommand.contains("--prefix '/opt/it'\\''s here'"))
        #expect(plan.shellCommand.contains("APUS_COORDINATED=1 "))
    }
}

@Suite struct ProcessorCountTests {
    @Test func rangesOfProcessorsAreRead() {
        let status = "Name:\tapus\nCpus_allowed:\t10f\nCpus_allowed_list:\t0-3,8\n"
        #expect(ProcessorCount.allowedProcessors(status: status) == [0, 1, 2, 3, 8])
        #expect(ProcessorCount.allowedProcessors(status: "Cpus_allowed_list:\tnonsense\n") == [])
        #expect(ProcessorCount.allowedProcessors(status: "") == [])
    }

    @Test func thisHostHasProcessors() {
        let count = ProcessorCount.current
        #expect(count.cores >= 1)
        #expect(count.cores <= count.hardwareThreads)
    }
}
