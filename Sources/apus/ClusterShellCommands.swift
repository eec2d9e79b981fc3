import ArgumentParser
import ClusterEmulation

extension ClusterCommand {
    struct Shell: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a command on a host of a cluster, or a shell.")

        @OptionGroup var option: ClusterOption
        @Argument(help: "The host, such as host1; options come before it.")
        var host: String
        @Argument(parsing: .captureForPassthrough, help: "The command and its arguments; a shell unless given.")
        var command: [String] = []

        func run() throws {
            let words = command.first == "--" ? Array(command.dropFirst()) : command
            try EmulatedCluster.named(option.cluster).enter(host, command: words.isEmpty ? ["bash"] : words)
        }
    }

    struct MPIRun: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "mpirun", abstract: "Run a program under mpirun, with a rank for each slot of a cluster.",
            discussion: "For example: apus cluster mpirun -- apus bench train --ranks 2 --threads 1")

        @OptionGroup var option: ClusterOption
        @Argument(parsing: .postTerminator, help: "Arguments of mpirun: its options, the program and its arguments.")
        var arguments: [String]

        func run() throws { try EmulatedCluster.named(option.cluster).mpirun(arguments) }
    }
}
