import ArgumentParser

@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Train transformers across MPI processes.",
        subcommands: [
            PrepareCommand.self, WorkerCommand.self, GenerateCommand.self, DataCommand.self, ConfigCommand.self,
            BenchCommand.self,
        ])

    static func main() async { await Failure.reportingRun(of: Apus.self) }
}
