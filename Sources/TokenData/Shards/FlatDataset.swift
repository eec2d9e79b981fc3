import Numerics

/// A file of tokens without an index: the shards of llm.c, and those of nanoGPT.
///
/// Neither records where documents begin, so all tokens count as one document.
public struct FlatDataset: TokenDataset {
    public let format: String
    private let tokens: TokenArray

    public var path: String { tokens.file.path }
    public var tokenCount: Int { tokens.count }
    public var documentCount: Int { 1 }

    public func documentRange(_ document: Int) -> Range<Int> {
        precondition(document == 0, "document \(document) of 1 in \(path)")
        return 0..<tokenCount
    }

    public func copyTokens(from start: Int, into destination: UnsafeMutableBufferPointer<Int32>) throws {
        try tokens.copy(from: start, into: destination)
    }

    // MARK: llm.c

    private static let headerSize = 256 * 4

    /// By magic number: the versions for GPT-2 and for Llama 3.
    private static let llmcVersions: [Int32: (version: Int32, element: TokenElement)] = [
        20_240_520: (1, .uint16),
        20_240_801: (7, .uint32),
    ]

    /// Whether the file begins with one of llm.c's magic numbers.
    static func isLLMC(_ file: MappedFile) -> Bool {
        file.bytes.count >= 4 && llmcVersions[file.integer(at: 0)] != nil
    }

    /// A header of 256 i32 (magic number, version, token count, the rest unused), then tokens: u16 in version 1, u32 in
    /// version 7. Source: `dev/data/data_common.py` of llm.c.
    init(llmc file: MappedFile) throws {
        guard file.bytes.count >= 4, let known = Self.llmcVersions[file.integer(at: 0)] else {
            throw file.refusal(
                "expected an llm.c shard, which begins with 20240520 or 20240801, found other bytes",
                remedy: "write nanogpt:\(file.path) for a file of u16 tokens without a header")
        }
        guard file.bytes.count >= Self.headerSize else {
            throw file.truncated("a header of \(Self.headerSize) bytes")
        }
        let version: Int32 = file.integer(at: 4)
        guard version == known.version else {
            throw file.refusal("expected version \(known.version), found version \(version)", remedy: nil)
        }
        let count = Int(file.integer(at: 8, as: Int32.self))
        guard count >= 0 else {
            throw file.refusal("expected a token count, found \(count)", remedy: "the file is damaged")
        }
        let expected = Self.headerSize + count * known.element.byteCount
        guard file.bytes.count >= expected else { throw file.truncated("\(expected) bytes for \(count) tokens") }
        guard file.bytes.count == expected else {
            throw file.refusal(
                "expected \(expected) bytes for \(count) tokens, found \(file.bytes.count)",
                remedy: "the file is damaged")
        }
        format = "llm.c shard version \(version), \(known.element.rawValue)"
        tokens = TokenArray(file: file, element: known.element, offset: Self.headerSize, count: count)
    }

    // MARK: nanoGPT

    /// Nothing but tokens, as u16. Source: `data/openwebtext/prepare.py` of nanoGPT.
    init(nanoGPT file: MappedFile) throws {
        guard !file.bytes.isEmpty, file.bytes.count.isMultiple(of: 2) else {
            throw file.refusal(
                "expected tokens of two bytes each, found a file of \(file.bytes.count) bytes",
                remedy: "the file was cut short, or is not a nanoGPT shard")
        }
        format = "nanoGPT shard, uint16"
        tokens = TokenArray(file: file, element: .uint16, offset: 0, count: file.bytes.count / 2)
    }
}
