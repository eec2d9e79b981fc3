import ArgumentParser
import JobConfiguration
import Numerics
import TokenData

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Look into token shards.", subcommands: [Inspect.self, Show.self])

    /// What a shard may be called.
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
}
