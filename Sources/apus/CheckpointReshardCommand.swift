import ArgumentParser
import Checkpointing

extension CheckpointCommand {
    struct Reshard: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Rewrite a checkpoint as another number of files.",
            discussion: """
                Tensors and state stay the same, and everything is checked when it is read and again when it is \
                written. No layout needs this: every number of ranks reads every checkpoint.
                """)

        @Argument(help: "A checkpoint's folder, or a run's folder for its latest.", completion: .directory)
        var source: String

        @Argument(help: "The checkpoint's folder to make; it must not exist.", completion: .directory)
        var destination: String

        @Option(help: "Files to write, one for each of so many ranks.")
        var ranks: Int

        func validate() throws {
            guard (1...CheckpointReshard.maximumRanks).contains(ranks) else {
                throw ValidationError("--ranks must be from 1 to \(CheckpointReshard.maximumRanks), got \(ranks)")
            }
        }

        func run() throws {
            let reader = try CheckpointReader(source)
            let files = try CheckpointReshard(ranks: ranks).write(reader, to: destination)
            let before = reader.manifest.files.count
            print("resharded \(reader.path) (\(fileText(before))) to \(destination) (\(fileText(files.count)))")
        }

        private func fileText(_ count: Int) -> String { count == 1 ? "1 file" : "\(count) files" }
    }
}
