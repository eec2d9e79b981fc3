import ArgumentParser
import JobConfiguration
import Training

struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Be one rank of a training job.",
        discussion: """
            `apus launch` starts the workers of a job. Without it: `mpirun -np N apus worker job.yaml`, or srun. \
            SIGTERM, SIGINT or SIGUSR1 to any rank makes all of them save and end with exit code 75.
            """)

    @OptionGroup var job: JobOptions
    @OptionGroup var profile: ProfileOptions

    func run() throws {
        let session = try WorkerSession()
        let status = session.run {
            let job: JobConfiguration = try session.world.agree(on: "the job") { try self.job.load() }
            session.useThreads(job.launch.threadsPerRank)
            let run = try TrainingRun(job, world: session.world, pool: session.pool, profile: profile.request)
            return try run.run() == .stopped ? .stopped : .success
        }
        if status != .success { throw ExitCode(status) }
    }
}
