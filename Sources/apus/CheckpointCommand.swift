import ArgumentParser
import Checkpointing
import Numerics

struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Look into checkpoints, and check that they are intact.",
        subcommands: [Inspect.self, Verify.self, List.self])

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
            let reader = try CheckpointReader(path)
            let damage = reader.verify()
            if damage.isEmpty {
                print("\(reader.path): intact")
                return
            }
            for error in damage { print("\(error.operation): \(error.problem)") }
            throw ApusError(
                "verifying \(reader.path)", "\(damage.count) parts are damaged or missing",
                remedy: "copy the files again, or go on from an older checkpoint (apus checkpoint list)", kind: .runtime
            )
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
