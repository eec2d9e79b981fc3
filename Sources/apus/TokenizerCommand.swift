import ArgumentParser
import Foundation
import Numerics
import TokenData
import Tokenization

struct TokenizerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer", abstract: "Train tokenizers, and try them on text.",
        subcommands: [Train.self, Encode.self, Decode.self, Inspect.self, Convert.self])

    struct Train: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Train a tokenizer on text.",
            discussion: """
                Byte-level BPE is trained as GPT-2's was. The result is a tokenizer.json that Hugging Face's tokenizers \
                library reads as well.
                """)

        @OptionGroup var documents: DocumentOptions

        @Option(help: "Tokens of a BPE vocabulary, special tokens included.")
        var vocabularySize = 8192

        @Option(help: "bpe, character or byte.")
        var type = TokenizerKind.bpe

        @Option(help: "How BPE cuts text before merging: gpt2, gpt4 or gpt4o.")
        var pattern = NamedPattern.gpt2

        @Option(parsing: .singleValue, help: "A special token; repeat for more. <|endoftext|> is what ends a document.")
        var special = ["<|endoftext|>"]

        @Option(help: "A special token for characters that a character tokenizer's input doesn't have.")
        var unknown: String?

        @Option(help: "Pairs that come less often are not merged.")
        var minimumCount = 2

        @Option(help: "Folder for tokenizer.json, or a path that ends in .json.")
        var output: String

        @Option(help: "hugging-face (tokenizer.json) or gpt2 (vocab.json and merges.txt).")
        var format = TokenizerFormat.huggingFace

        @Option(help: "Threads; all cores unless given.")
        var threads: Int?

        func validate() throws {
            if let threads, threads < 1 { throw ValidationError("--threads must be at least 1, got \(threads)") }
            if minimumCount < 1 { throw ValidationError("--minimum-count must be at least 1, got \(minimumCount)") }
        }

        func run() throws {
            let pool = ThreadPool(threadCount: threads ?? ProcessInfo.processInfo.activeProcessorCount)
            let training = try TokenizerTraining(
                type,
                BPETrainerConfiguration(
                    vocabularySize: vocabularySize, specialTokens: special, minimumCount: minimumCount,
                    preTokenizer: PreTokenizer(stages: [.pattern(pattern.pattern)])),
                unknownToken: unknown, pool: pool)
            let reader = try documents.makeReader()
            let clock = ContinuousClock()
            let start = clock.now
            let summary = try reader.forEachDocument { document in
                try document.bytes.withUnsafeBufferPointer { try training.add($0, name: document.identifier) }
            }
            let result = try training.finish(corpus: documents.input.joined(separator: ", "))
            let seconds = (clock.now - start) / .seconds(1)
            let path = try format.save(result.tokenizer, to: output)
            let compression = try training.measure(result.tokenizer)

            if let warning = result.warning { FileHandle.standardError.write(Data("warning: \(warning)\n".utf8)) }
            let megabytes = Double(summary.bytes) / 1e6
            print("documents    \(summary.documents) (\(megabytes.formatted(decimals: 1)) MB)")
            if !summary.exclusions.isEmpty { print("passed over  \(summary.exclusions.joined(separator: ", "))") }
            print("vocabulary   \(result.tokenizer.vocabularySize) tokens (\(type.title))")
            print("compression  \(compression.bytesPerToken.formatted(decimals: 2)) bytes a token")
            print(
                "time         \(seconds.formatted(decimals: 2)) s "
                    + "(\((megabytes / seconds).formatted(decimals: 1)) MB/s, \(pool.threadCount) threads)")
            print("saved        \(path)")
        }
    }

    struct Encode: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Turn text into token ids.")

        @Option(help: "A tokenizer.json, or a folder that holds a tokenizer.")
        var tokenizer: String

        @Argument(help: "The text; standard input unless given.")
        var text: String?

        @Flag(help: "Recognise special tokens in the text.")
        var special = false

        @Flag(help: "Print a token a line: its id and its text.")
        var pieces = false

        func run() throws {
            let tokenizer = try TokenizerFile.load(tokenizer)
            let bytes = text.map { Array($0.utf8) } ?? [UInt8](FileHandle.standardInput.readDataToEndOfFile())
            let tokens = try tokenizer.encode(bytes, allowedSpecial: special ? .all : .none)
            if pieces {
                for token in tokens { print("\(token)\t\(try tokenizer.decodeText([token]).debugDescription)") }
            } else {
                print(TokenIdentifiers.format(tokens))
            }
        }
    }

    struct Decode: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Turn token ids into text.")

        @Option(help: "A tokenizer.json, or a folder that holds a tokenizer.")
        var tokenizer: String

        @Argument(help: "The ids; standard input unless given.")
        var ids: [String] = []

        func run() throws {
            let tokenizer = try TokenizerFile.load(tokenizer)
            let text =
                ids.isEmpty
                ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
                : ids.joined(separator: " ")
            FileHandle.standardOutput.write(Data(try tokenizer.decode(TokenIdentifiers.parse(text))))
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what a tokenizer holds, and how well and fast it does on a text.")

        @Argument(help: "A tokenizer.json, or a folder that holds a tokenizer.")
        var tokenizer: String

        @Option(parsing: .upToNextOption, help: "Files or folders to encode.")
        var input: [String] = []

        func run() throws {
            let tokenizer = try TokenizerFile.load(tokenizer)
            print("type        \(TokenizerKind(of: tokenizer)?.title ?? "unknown")")
            print("vocabulary  \(tokenizer.vocabularySize) tokens")
            for special in tokenizer.specialTokens { print("special     \(special.token)  \(special.text)") }
            guard !input.isEmpty else { return }
            var report = CompressionReport(tokenizer)
            try DocumentReader(paths: input).forEachDocument { document in
                try document.bytes.withUnsafeBufferPointer { try report.add($0) }
            }
            print("text        \(report.documents) documents, \(report.bytes) bytes")
            print("tokens      \(report.tokens), \(report.usedTokens) different ones")
            print("compression \(report.bytesPerToken.formatted(decimals: 2)) bytes a token")
            print("speed       \(report.megabytesPerSecond.formatted(decimals: 1)) MB/s (one thread)")
        }
    }

    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Write a tokenizer in another format.")

        @Argument(help: "A tokenizer.json, vocab.json with merges.txt, or a folder that holds one of these.")
        var source: String

        @Argument(help: "A folder, or for hugging-face a path that ends in .json.")
        var destination: String

        @Option(help: "hugging-face (tokenizer.json) or gpt2 (vocab.json and merges.txt).")
        var format = TokenizerFormat.huggingFace

        func run() throws {
            print("saved \(try format.save(TokenizerFile.load(source), to: destination))")
        }
    }

    /// Split patterns by the names they have on the command line.
    enum NamedPattern: String, ExpressibleByArgument, CaseIterable {
        case gpt2, gpt4, gpt4o

        var pattern: SplitPattern {
            switch self {
            case .gpt2: .gpt2
            case .gpt4: .gpt4(digits: 3)
            case .gpt4o: .gpt4o
            }
        }
    }
}

extension TokenizerKind: ExpressibleByArgument {}
extension TokenizerFormat: ExpressibleByArgument {}

extension Double {
    fileprivate func formatted(decimals: Int) -> String { String(format: "%.\(decimals)f", self) }
}
