import ArgumentParser
import Benchmarking
import Training

struct BenchCollectivesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collectives", abstract: "Time the collectives beside the MPI library's own all-reduce.")

    @Option(help: "MPI ranks.") var ranks = 2
    @Option(name: .customLong("mebibytes"), help: "Size of the largest buffer.") var mebibytes = 256
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        guard ranks > 1 else { throw ValidationError("--ranks must be at least 2, got \(ranks)") }
        guard mebibytes > 0 else { throw ValidationError("--mebibytes must be at least 1, got \(mebibytes)") }
    }

    func run() throws {
        try MPILaunch.restart(ranks: ranks)
        let session = try WorkerSession(threadsPerRank: 1)
        let status = session.run {
            let result = CollectiveBenchmark.run(on: session.world, largeBytes: mebibytes << 20)
            if session.world.rank == 0 { print(json ? try result.json : result.table) }
            return .success
        }
        if status != .success { throw ExitCode(status) }
    }
}
