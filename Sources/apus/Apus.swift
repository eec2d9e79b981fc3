import ArgumentParser

@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Train transformers across MPI processes.",
        subcommands: [ConfigCommand.self, DataCommand.self, PrepareCommand.self])

    static func main() async { await Failure.reportingRun(of: Apus.self) }
}
