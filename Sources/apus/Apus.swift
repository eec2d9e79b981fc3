import ArgumentParser

@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Train transformers across MPI processes.",
        subcommands: [
            TokenizerCommand.self, PrepareCommand.self, PlanCommand.self, LaunchCommand.self, WorkerCommand.self,
            GenerateCommand.self, CheckpointCommand.self, DataCommand.self, ConfigCommand.self, ClusterCommand.self,
            StudyCommand.self, BenchCommand.self, ChaosCommand.self, DoctorCommand.self,
        ])

    static func main() async { await Failure.reportingRun(of: Apus.self) }
}
