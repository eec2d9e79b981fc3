import ArgumentParser
import JobConfiguration
import Numerics
import TokenData
import Tokenization

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Look into token shards.", subcommands: [Inspect.self, Show.self])

    /// What a shard may be called, for the help of both subcommands.
    private static let pathHelp = ArgumentHelp(
        """
        A Megatron prefix, .bin or .idx, an llm.c shard, or a nanoGPT shard (nanogpt:PATH if it could be mistaken).
        """)

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print what shards hold, and check them.")

        @Argument(help: DataCommand.pathHelp, completion: .file())
        var paths: [String]

        @Option(help: "Also read all tokens and make sure that they are below this.")
        var vocabularySize: Int?

        func run() throws {
            for path in paths {
                let dataset = try TokenDatasetFile.open(path)
                var lines = [
                    dataset.path,
                    "  format: \(dataset.format)",
                    "  tokens: \(grouped(dataset.tokenCount))",
                    "  documents: \(grouped(dataset.documentCount))",
                ]
                if let lengths = DocumentLengths(of: dataset) {
                    lines.append(
                        "  tokens a document: \(grouped(lengths.shortest)) to \(grouped(lengths.longest)), "
                            + "\(grouped(lengths.mean)) on average")
                }
                if let vocabularySize {
                    lines.append("  largest token: \(try dataset.validate(vocabularySize: vocabularySize))")
                }
                print(lines.joined(separator: "\n"))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the text of a sample or document.")

        @Argument(help: DataCommand.pathHelp, completion: .file())
        var path: String

        @Option(help: "The tokenizer that the shard was made with.", completion: .file())
        var tokenizer: String

        @Option(help: "The number of the sample.")
        var sample: UInt64?

        @Option(help: "The number of the document, instead of a sample.")
        var document: Int?

        @Option(help: "Tokens in a sample.")
        var sequenceLength = 256

        @Option(help: "Number the samples in the order in which a run with this seed takes them, not in the shard's.")
        var seed: UInt64?

        func validate() throws {
            if (sample == nil) == (document == nil) { throw ValidationError("Give either --sample or --document.") }
        }

        func run() throws {
            let dataset = try TokenDatasetFile.open(path)
            let tokenizer = try TokenizerFile.load(tokenizer)
            print(try tokenizer.decodeText(tokens(of: dataset)))
        }

        private func tokens(of dataset: any TokenDataset) throws -> [Int32] {
            if let sample {
                return try TokenSampler(
                    dataset: dataset, sequenceLength: sequenceLength, seed: seed ?? 0, shuffled: seed != nil
                ).sample(at: sample)
            }
            let document = document ?? 0
            guard 0..<dataset.documentCount ~= document else {
                throw ApusError(
                    "showing \(path)", "expected a document from 0 to \(dataset.documentCount - 1), found \(document)")
            }
            return try dataset.tokens(in: dataset.documentRange(document))
        }
    }
}
