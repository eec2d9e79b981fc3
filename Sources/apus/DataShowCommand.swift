import ArgumentParser
import JobConfiguration
import Numerics
import TokenData
import Tokenization
import Training

extension DataCommand {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print samples as a job takes them, or a sample or document of a shard.")

        @Argument(
            help: """
                A job (.yaml), whose samples are shown as its runs take them, or a shard: \
                a Megatron prefix, .bin or .idx, an llm.c shard, or a nanoGPT shard (nanogpt:PATH if it could be mistaken).
                """, completion: .file())
        var path: String

        @Option(help: "The tokenizer that the shard was made with; a job has its own.", completion: .file())
        var tokenizer: String?

        @Option(help: ArgumentHelp("The number of the sample, or the first and the last.", valueName: "n[..m]"))
        var sample: SampleNumbers?

        @Option(help: "The number of the document, instead of a sample.")
        var document: Int?

        @Option(help: "Tokens in a sample of a shard.")
        var sequenceLength = 256

        @Option(help: "Number a shard's samples in the order in which a run with this seed takes them.")
        var seed: UInt64?

        @Flag(help: "Print the numbers of the tokens instead of their text.")
        var tokens = false

        @Option(
            name: .customLong("set"),
            help: ArgumentHelp("Set a value of the job. May be repeated.", valueName: "a.b=c"))
        var overrides: [String] = []

        private var isJob: Bool { path.hasSuffix(".yaml") || path.hasSuffix(".yml") }

        func validate() throws {
            if (sample == nil) == (document == nil) { throw ValidationError("Give either --sample or --document.") }
            if isJob, document != nil { throw ValidationError("A job has samples: give --sample.") }
            if isJob, seed != nil { throw ValidationError("A job has a seed of its own: change it with --set seed=…") }
            if !isJob, !overrides.isEmpty { throw ValidationError("Only a job has values to set.") }
            if !isJob, tokenizer == nil, !tokens { throw ValidationError("Give --tokenizer, or --tokens.") }
        }

        func run() throws {
            if isJob { return try showSamples(of: try JobOptions.load(path, overrides: overrides)) }
            let dataset = try TokenDatasetFile.open(path)
            let tokenizer = try tokenizer.map { try TokenizerFile.load($0) }
            guard let sample else { return print(try text(try tokens(ofDocumentIn: dataset), tokenizer)) }
            let sampler = try TokenSampler(
                dataset: dataset, sequenceLength: sequenceLength, seed: seed ?? 0, shuffled: seed != nil)
            for number in sample.range { print(try text(try sampler.sample(at: number), tokenizer)) }
        }

        /// Each sample with the place that it was cut from.
        private func showSamples(of job: JobConfiguration) throws {
            let sampler = try TrainingRun.trainingSampler(of: job)
            let tokenizer = try (tokenizer ?? job.data.tokenizer).map { try TokenizerFile.load($0) }
            for number in sample?.range ?? 0...0 {
                let place = sampler.place(of: number)
                let documents = place.documents
                print(
                    "sample \(number): \(place.path) from token \(place.position), "
                        + (documents.count == 1
                            ? "document \(documents.lowerBound)"
                            : "documents \(documents.lowerBound) to \(documents.upperBound)"))
                print(try text(try sampler.sample(at: number), tokenizer))
            }
        }

        private func text(_ sample: [Int32], _ tokenizer: (any Tokenizer)?) throws -> String {
            guard !tokens, let tokenizer else { return sample.map(String.init).joined(separator: " ") }
            return try tokenizer.decodeText(sample)
        }

        private func tokens(ofDocumentIn dataset: any TokenDataset) throws -> [Int32] {
            let document = document ?? 0
            guard 0..<dataset.documentCount ~= document else {
                throw ApusError(
                    "showing \(path)", "expected a document from 0 to \(dataset.documentCount - 1), found \(document)")
            }
            return try dataset.tokens(in: dataset.documentRange(document))
        }
    }
}

/// `12`, or `12..19` for all from the first to the last.
struct SampleNumbers: ExpressibleByArgument {
    let range: ClosedRange<UInt64>

    init?(argument: String) {
        let ends = argument.split(separator: "..", maxSplits: 1, omittingEmptySubsequences: false).map { UInt64($0) }
        guard let first = ends[0], let last = ends[ends.count - 1], first <= last else { return nil }
        range = first...last
    }
}
