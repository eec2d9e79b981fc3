import ArgumentParser
import Chaos
import Coordination
import Foundation
import JobConfiguration

struct ChaosCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos", abstract: "Rehearse failures: kill and freeze a job's processes, and compare the result.",
        discussion: """
            Runs the job undisturbed, then again while workers and the coordinator are killed or frozen, at random moments \
            and at chosen places, and checkpoints are damaged; then compares losses and weights bit for bit. All on this \
            host. Exit code 0 only if every fault was survived and nothing differs.
            """)

    @OptionGroup var options: JobOptions

    @Option(help: "Workers killed at random moments.") var kills = 5
    @Option(help: "Workers frozen at random moments.") var freezes = 2
    @Option(help: "Coordinators killed.") var coordinatorKills = 1
    @Option(help: "Workers killed or frozen at start-up, loading, collectives, writes, fsyncs, renames, in turn.")
    var points = 7
    @Option(help: "Newest checkpoints damaged.") var damages = 2
    @Option(help: "Times that the disk is full; only on a file system of at most 4 GiB.") var fills = 0
    @Option(help: "Decides order, ranks, places and moments.") var seed: UInt64 = 7
    @Option(help: "The longest time before the next fault, in seconds.") var longestQuiet = 3.0
    @Option(help: "Where both runs go; by default chaos/NAME.", completion: .directory) var folder: String?

    func validate() throws {
        let counts = [kills, freezes, coordinatorKills, points, damages, fills]
        guard counts.allSatisfy({ $0 >= 0 }), counts.contains(where: { $0 > 0 }) else {
            throw ValidationError("expected at least one fault, and no negative numbers of them")
        }
        guard longestQuiet >= 0, longestQuiet.isFinite else {
            throw ValidationError("--longest-quiet must be a number of seconds")
        }
    }

    func run() async throws {
        let job = try options.load()
        let folder = folder ?? "chaos/\(job.name)"
        guard !FileManager.default.fileExists(atPath: folder) else {
            throw ValidationError("\(folder) exists already; remove it, or choose another with --folder")
        }
        let plan = try LaunchPlan(
            job: job,
            request: LaunchRequest(
                jobPath: options.job, overrides: options.overrides, workerExecutable: ThisProgram.path))
        var configuration = ChaosConfiguration()
        configuration.kills = kills
        configuration.freezes = freezes
        configuration.coordinatorKills = coordinatorKills
        configuration.points = points
        configuration.damages = damages
        configuration.fills = fills
        configuration.seed = seed
        configuration.longestQuiet = longestQuiet
        let rehearsal = ChaosRehearsal(
            configuration, job: plan.job, ranks: plan.ranks, program: ThisProgram.path,
            arguments: ["launch", options.job] + options.overrides.flatMap { ["--set", $0] }, folder: folder)
        let report = try await rehearsal.run { line in FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
        FileHandle.standardOutput.write(Data(report.table.utf8))
        if !report.isFlawless { throw ExitCode(.failure) }
    }
}
