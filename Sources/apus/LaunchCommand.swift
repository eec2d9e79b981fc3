import ArgumentParser
import ClusterEmulation
import Coordination
import Foundation
import JobConfiguration

struct LaunchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch", abstract: "Start the workers of a job, follow them, and pass on how they end.",
        discussion: """
            Workers that die or hang are started again from the newest intact checkpoint (supervision in the job). \
            Ctrl-C or SIGTERM makes the workers save and end with exit code 75; the same command then goes on from \
            there. A second Ctrl-C ends them at once. Arguments after -- go to mpirun or srun as they are.
            """,
        aliases: ["train"])

    @OptionGroup var options: JobOptions
    @OptionGroup var profile: ProfileOptions

    @Option(help: "Ranks to start; by default as many as the job's mesh has.")
    var ranks: Int?

    @Option(help: "What starts the workers: automatic (srun in a Slurm job, otherwise mpirun), mpirun or srun.")
    var launcher = LaunchRequest.Launcher.automatic

    @Option(help: "An Open MPI hostfile, in place of the job's launch.hostfile.", completion: .file())
    var hostfile: String?

    @Option(help: "An emulated cluster to run on; see apus cluster.")
    var cluster: String?

    @Flag(help: "Print the command that would be run, and stop.")
    var dryRun = false

    @Argument(parsing: .postTerminator, help: ArgumentHelp("Arguments for mpirun or srun.", valueName: "argument"))
    var launcherArguments: [String] = []

    func validate() throws {
        guard cluster != nil else { return }
        if hostfile != nil { throw ValidationError("--cluster has hosts of its own; leave --hostfile out") }
        if launcher == .srun { throw ValidationError("the hosts of --cluster are started by mpirun, not by srun") }
    }

    func run() async throws {
        let job = try options.load()
        let request = LaunchRequest(
            jobPath: options.job, overrides: options.overrides, workerArguments: profile.arguments, ranks: ranks,
            launcher: launcher, hostfile: hostfile, launcherArguments: launcherArguments,
            workerExecutable: ThisProgram.path)
        if let cluster {
            return try await run(job, request, on: ClusterLaunch(EmulatedCluster.named(cluster)))
        }
        let plan = try LaunchPlan(job: job, request: request)
        if dryRun {
            print(plan.shellCommand)
            return
        }
        let coordinator = Coordinator(plan: plan) { current in
            guard job.supervision.elastic else { return current }
            var next = request
            if let hostfile = request.hostfile ?? job.launch.hostfile {
                next.hostfile = try await HostProbe.reachable(hostfile: hostfile, job: job)
            }
            return try LaunchPlan(job: job, request: next)
        }
        try await follow(coordinator)
    }

    private func run(_ job: JobConfiguration, _ request: LaunchRequest, on launch: ClusterLaunch) async throws {
        let job = try launch.adapted(job, ranks: ranks)
        let plan = try LaunchPlan(job: job, request: launch.adapted(request))
        if dryRun {
            print(plan.shellCommand)
            return
        }
        try EmulatedCluster.requireRoot(for: "starting job '\(job.name)' on the cluster '\(launch.name)'")
        @Sendable func readyPlan(isRestart: Bool) async throws -> LaunchPlan {
            let ready = try await launch.ready(request, for: job, isRestart: isRestart) { Console.standard.tell($0) }
            return try LaunchPlan(job: job, request: ready)
        }
        let first = try await readyPlan(isRestart: false)
        let coordinator = Coordinator(
            plan: first, replan: { _ in try await readyPlan(isRestart: true) }, release: { await launch.release($0) })
        try await follow(coordinator)
    }

    private func follow(_ coordinator: Coordinator) async throws {
        let requests = StopRequests()
        let status = try await coordinator.run(stopRequests: requests.stream)
        if status != 0 { throw ExitCode(status) }
    }
}

extension LaunchRequest.Launcher: ExpressibleByArgument {}
