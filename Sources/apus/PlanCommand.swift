import ArgumentParser
import Foundation
import JobConfiguration
import Numerics
import Planning

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Say what a job will do on its ranks, before it runs.",
        discussion: """
            Without options, who holds what. Nothing is started and no data is read: the job and its mesh say it all.
            """)

    @OptionGroup var options: JobOptions

    @Flag(help: "Print who holds what: a line for each rank.")
    var mesh = false

    @Option(
        help: ArgumentHelp(
            "Write a picture of the pipeline's schedule, one lane a stage, and print its bubble.",
            valueName: "file.svg"),
        completion: .file(extensions: ["svg"]))
    var schedule: String?

    @Option(help: "Ranks that a host will have, for a column of hosts.")
    var ranksPerHost: Int?

    @Option(help: "The number of ranks, for a job whose parallelism.data is auto.")
    var ranks: Int?

    func validate() throws {
        for (name, value) in [("ranks-per-host", ranksPerHost), ("ranks", ranks)] {
            if let value, value < 1 { throw ValidationError("--\(name) must be at least 1, got \(value)") }
        }
    }

    func run() throws {
        let loaded = try options.load()
        let job = try loaded.resolved(worldSize: ranks ?? loaded.parallelism.size)
        if mesh || schedule == nil { print(MeshPicture(job, ranksPerHost: ranksPerHost).text, terminator: "") }
        guard let schedule else { return }
        let plan = try SchedulePlan(job)
        do {
            try plan.chart.svg().write(toFile: schedule, atomically: true, encoding: .utf8)
        } catch {
            throw ApusError(
                "writing \(schedule)", error.localizedDescription,
                remedy: "choose a file in a folder that can be written")
        }
        if mesh { print() }
        print(plan.text + "picture: \(schedule)")
    }
}
