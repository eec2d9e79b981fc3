import ArgumentParser
import Checkpointing

extension CheckpointCommand {
    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove old checkpoints of a run.",
            discussion: """
                Never the latest, and none after it: those belong to a run that was taken back to an earlier step.
                """)

        @Argument(help: "A run's folder, or a folder of checkpoints.", completion: .directory)
        var folder: String

        @Option(help: "How many of the newest to keep, the latest among them.")
        var keepLast: Int

        @Option(help: "Keep those at multiples of this step too; 0 for none.")
        var keepEvery = 0

        @Flag(help: "Say what would be removed, and remove nothing.")
        var dryRun = false

        func validate() throws {
            guard keepLast >= 1 else { throw ValidationError("--keep-last must be at least 1, got \(keepLast)") }
            guard keepEvery >= 0 else { throw ValidationError("--keep-every must not be negative, got \(keepEvery)") }
        }

        func run() throws {
            let path = try CheckpointFolder.inRun(folder).path
            let checkpoints = CheckpointFolder(path, retention: .init(keepLast: keepLast, keepEvery: keepEvery))
            let removed = dryRun ? try checkpoints.superseded() : try checkpoints.prune()
            for entry in removed { print("\(dryRun ? "would remove" : "removed") \(entry.path)") }
            if removed.isEmpty { print("nothing to remove in \(path)") }
        }
    }
}
