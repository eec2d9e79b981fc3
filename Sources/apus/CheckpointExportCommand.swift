import ArgumentParser
import Checkpointing
import Generation
import Numerics
import Tokenization

extension CheckpointCommand {
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a checkpoint's model as a folder for Hugging Face's transformers.",
            discussion: """
                The folder gets config.json, model.safetensors (several files with an index above the limit), \
                generation_config.json, and tokenizer.json if the job names a tokenizer. Optimizer state stays behind.
                """)

        /// The precision that weights are written in.
        enum Precision: String, ExpressibleByArgument, CaseIterable {
            case float32, bfloat16
        }

        @Argument(help: "A checkpoint's folder, or a run's folder for its latest.", completion: .directory)
        var path: String

        @Option(help: "The folder to make; it must not exist.", completion: .directory)
        var output: String

        @Option(help: "float32 or bfloat16.")
        var dtype = Precision.float32

        @Option(help: "The tokenizer.json to put beside the weights (default: the one the job names).")
        var tokenizer: String?

        @Option(
            name: .customLong("max-file-mb"), help: "Weights above this many megabytes are spread over several files.")
        var maximumFileMegabytes = 5000

        func validate() throws {
            guard (1...1_000_000_000).contains(maximumFileMegabytes) else {
                throw ValidationError("--max-file-mb must be from 1 to 1000000000, got \(maximumFileMegabytes)")
            }
        }

        func run() throws {
            let trained = try TrainedModel(at: path)
            let tokenizer = try (self.tokenizer ?? trained.job.data.tokenizer).map { try TokenizerFile.load($0) }
            var export = try HuggingFaceExport(
                trained.job.model, as: dtype == .bfloat16 ? .bfloat16 : .float32,
                endOfText: tokenizer?.endOfText.map(Int.init), tokenizer: tokenizer.map(TokenizerFile.contents))
            export.maximumFileBytes = maximumFileMegabytes * 1_000_000
            let summary = try export.write(from: trained.reader, to: output)
            print("exported \(trained.reader.path) to \(output): \(summary.files.joined(separator: ", "))")
            if let tokenizer, !(tokenizer is ByteLevelBPE) {
                print("note: transformers cannot read this kind of tokenizer; apus can")
            }
        }
    }
}
