import ArgumentParser
import Checkpointing
import Numerics

struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Look into checkpoints, check and compare them, cut them anew, and export their models.",
        subcommands: [
            Inspect.self, Verify.self, List.self, Diff.self, Reshard.self, Prune.self, Export.self,
        ])

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a checkpoint's step, tensors, files and job.")

        @Argument(help: "A checkpoint's folder, or a run's folder for its latest.", completion: .directory)
        var path: String

        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            let summary = CheckpointSummary(try CheckpointReader(path))
            print(json ? try summary.json() : summary.text())
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every byte of a checkpoint and compare it with its checksum.",
            discussion: "Ends with status 1 where anything is damaged or missing, and names it.")

        @Argument(help: "A checkpoint's folder, or a run's folder for its latest.", completion: .directory)
        var path: String

        func run() throws {
            let (folder, damage) = try CheckpointReader.verify(path)
            guard !damage.isEmpty else {
                print("\(folder): intact")
                return
            }
            for error in damage { print("\(error.operation): \(error.problem)") }
            let count = damage.count == 1 ? "1 part is" : "\(damage.count) parts are"
            throw ApusError(
                "verifying \(folder)", "\(count) damaged or missing",
                remedy: "copy the files again, or go on from an older checkpoint (apus checkpoint list)",
                kind: .runtime)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the checkpoints of a run.")

        @Argument(help: "A run's folder, or a folder of checkpoints.", completion: .directory)
        var path: String

        func run() throws {
            let folder = try CheckpointFolder.inRun(path)
            let listing = try CheckpointListing(folder)
            print(listing.isEmpty ? "no checkpoints in \(folder.path)" : listing.text())
        }
    }
}
