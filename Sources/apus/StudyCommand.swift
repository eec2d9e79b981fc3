import ArgumentParser
import Foundation
import JobConfiguration
import Studies

struct StudyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "study", abstract: "Compare ways to run a job, and write what comes out as a page.",
        subcommands: [Scaling.self])

    struct Scaling: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a job in several layouts, on this machine or an emulated cluster.",
            discussion: """
                Every layout trains the same job for a few steps, with the same batch; the page has a table and plots of \
                throughput, efficiency, exposed communication and memory. For example:
                apus study scaling job.yaml --layouts data=1 data=2 data=4 tensor=2 data=2,tensor=2 --cluster 4x1gbit
                """)

        @OptionGroup var options: JobOptions

        @Option(
            parsing: .upToNextOption,
            help: ArgumentHelp(
                "The layouts, such as data=4 or data=2,tensor=2; the first is what others are compared with.",
                valueName: "layout"))
        var layouts: [String]

        @Option(help: "The emulated cluster to run on (apus cluster up); this machine itself unless given.")
        var cluster: String?

        @Option(
            parsing: .upToNextOption,
            help: "Bandwidths that all links of the cluster's hosts are given in turn, such as 100mbit 1gbit unlimited."
        )
        var bandwidths: [Bandwidth] = []

        @Option(help: "Steps of each run; the first two do not count.")
        var steps = 12

        @Option(help: "Where page, numbers and runs go; runs/NAME-scaling unless given.", completion: .directory)
        var folder: String?

        func run() async throws {
            let job = try options.load()
            var configuration = ScalingStudy.Configuration(
                jobPath: options.job, layouts: try layouts.map { try StudyLayout($0) },
                folder: folder ?? "runs/\(job.name)-scaling", program: ThisProgram.path)
            configuration.overrides = options.overrides
            configuration.cluster = cluster
            configuration.bandwidths = bandwidths
            configuration.steps = steps
            let study = try ScalingStudy(configuration) {
                try JobOptions.load(options.job, overrides: options.overrides + $0)
            }
            let words = ["apus"] + CommandLine.arguments.dropFirst()
            let page = try await study.run(command: words.joined(separator: " ")) { print($0) }
            print("page  \(page)")
        }
    }
}
