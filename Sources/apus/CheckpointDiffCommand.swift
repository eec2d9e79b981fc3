import ArgumentParser
import Checkpointing
import JobConfiguration

extension CheckpointCommand {
    struct Diff: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compare two checkpoints, tensor by tensor.",
            discussion: """
                Ends with status 0 where tensors and state are equal, bit for bit, and with 1 where they are not. How \
                the tensors are cut into files makes no difference.
                """)

        @Argument(help: "A checkpoint's folder, or a run's folder for its latest.", completion: .directory)
        var first: String

        @Argument(help: "The checkpoint to compare it with.", completion: .directory)
        var second: String

        @Flag(help: "Compare the tensors and nothing else: not the step, the place in the data and the job.")
        var tensorsOnly = false

        func run() throws {
            let readers = (try CheckpointReader(first), try CheckpointReader(second))
            let comparison = try CheckpointComparison(readers.0, readers.1, tensorsOnly: tensorsOnly)
            print(comparison.text())
            if !comparison.isEqual { throw ExitCode(.failure) }
        }
    }
}
