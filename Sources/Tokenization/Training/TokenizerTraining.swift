import Numerics

/// The kinds of tokenizer that can be made from a corpus.
public enum TokenizerKind: String, CaseIterable, Sendable {
    /// Byte-level byte-pair encoding.
    case bpe
    /// A token for each character of the corpus.
    case character
    /// A token for each byte; the corpus only serves to measure it.
    case byte

    public init?(of tokenizer: any Tokenizer) {
        switch tokenizer {
        case is ByteLevelBPE: self = .bpe
        case is CharacterTokenizer: self = .character
        case is ByteTokenizer: self = .byte
        default: return nil
        }
    }

    /// In words, such as "byte-level BPE".
    public var title: String {
        switch self {
        case .bpe: "byte-level BPE"
        case .character: "characters"
        case .byte: "bytes"
        }
    }
}

/// Makes a tokenizer of any kind from documents that are added one after another.
public final class TokenizerTraining {
    /// What training gave.
    public struct Result {
        public var tokenizer: any Tokenizer
        /// What the user should know, for example that the corpus was too small.
        public var warning: String?
    }

    private enum Work {
        case bpe(BPETrainer)
        case character(unknownToken: String?)
        case byte
    }

    private let work: Work
    private let specialTokens: [String]
    private var characters: Set<Unicode.Scalar> = []
    /// The first few megabytes, to measure the result on.
    private var sample: [UInt8] = []
    private static let sampleBytes = 4 << 20

    /// Bytes of the documents added.
    public private(set) var byteCount = 0
    public private(set) var documentCount = 0

    /// - Parameters:
    ///   - configuration: of a byte-pair tokenizer; of the other kinds only the special tokens count.
    ///   - unknownToken: a special token for characters outside of a character tokenizer's vocabulary; without it they
    ///     are refused.
    /// - Throws: `ApusError` if the configuration is wrong.
    public init(
        _ kind: TokenizerKind, _ configuration: BPETrainerConfiguration, unknownToken: String? = nil, pool: ThreadPool
    ) throws {
        let isMissing = unknownToken.map { !configuration.specialTokens.contains($0) } ?? false
        specialTokens = configuration.specialTokens + (isMissing ? [unknownToken!] : [])
        work =
            switch kind {
            case .bpe: .bpe(try BPETrainer(configuration, pool: pool))
            case .character: .character(unknownToken: unknownToken)
            case .byte: .byte
            }
    }

    /// Adds a document; `name` is what errors call it.
    ///
    /// - Throws: `ApusError` if a character tokenizer gets a text that isn't UTF-8.
    public func add(_ document: UnsafeBufferPointer<UInt8>, name: String) throws {
        byteCount += document.count
        documentCount += 1
        if sample.count + document.count <= Self.sampleBytes || sample.isEmpty { sample.append(contentsOf: document) }
        switch work {
        case .bpe(let trainer): trainer.add(document)
        case .byte: break
        case .character:
            guard let text = String(validating: document, as: UTF8.self) else {
                throw ApusError(
                    "training a tokenizer", "\(name) is not UTF-8",
                    remedy: "a character tokenizer needs UTF-8; convert the text, or train a byte-level tokenizer.")
            }
            characters.formUnion(text.unicodeScalars)
        }
    }

    /// - Parameter corpus: what errors call the documents.
    /// - Throws: `ApusError` if no document had any text.
    public func finish(corpus: String) throws -> Result {
        guard byteCount > 0 else {
            throw ApusError(
                "training a tokenizer", "\(corpus) has no text",
                remedy: "give at least one document that isn't empty.")
        }
        switch work {
        case .bpe(let trainer):
            let tokenizer = try trainer.train()
            return Result(tokenizer: tokenizer, warning: trainer.warning(for: tokenizer))
        case .character(let unknownToken):
            return Result(
                tokenizer: try CharacterTokenizer(
                    characters: characters, specialTokens: specialTokens, unknownToken: unknownToken))
        case .byte:
            return Result(tokenizer: try ByteTokenizer(specialTokens: specialTokens))
        }
    }

    /// How the trained tokenizer does on the beginning of the corpus.
    public func measure(_ tokenizer: any Tokenizer) throws -> CompressionReport {
        var report = CompressionReport(tokenizer)
        try sample.withUnsafeBufferPointer { try report.add($0) }
        return report
    }
}
