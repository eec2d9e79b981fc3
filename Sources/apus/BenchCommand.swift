import ArgumentParser

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure this machine and this build.",
        subcommands: [BenchTrainCommand.self, BenchKernelsCommand.self, BenchCollectivesCommand.self])
}
