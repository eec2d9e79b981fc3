import Foundation
import Testing
import TokenData

/// Megatron data sets of three documents, the second empty, written by `IndexedDatasetBuilder` of Megatron-LM itself
/// (megatron-core 0.16.1), base 64.
enum MegatronFixture {
    static let narrowDocuments: [[Int32]] = [[1, 2, 3], [], [65_498, 4]]
    /// Vocabulary 65,499, the largest whose tokens are u16.
    static let narrowTokens = "AQACAAMA2v8EAA=="
    static let narrowIndex = """
        TU1JRElEWAAAAQAAAAAAAAAIAwAAAAAAAAAEAAAAAAAAAAMAAAAAAAAAAgAAAAAAAAAAAAAABgAAAAAAAAAGAAAAAAAAAAAAAAAA
        AAAAAQAAAAAAAAACAAAAAAAAAAMAAAAAAAAA
        """
    static let wideDocuments: [[Int32]] = [[1, 2, 3], [], [65_499, 4]]
    /// Vocabulary 65,500, the smallest whose tokens are i32.
    static let wideTokens = "AQAAAAIAAAADAAAA2/8AAAQAAAA="
    static let wideIndex = """
        TU1JRElEWAAAAQAAAAAAAAAEAwAAAAAAAAAEAAAAAAAAAAMAAAAAAAAAAgAAAAAAAAAAAAAADAAAAAAAAAAMAAAAAAAAAAAAAAAA
        AAAAAQAAAAAAAAACAAAAAAAAAAMAAAAAAAAA
        """

    /// Two documents, the first of two sequences: [1, 2], [3] and [4, 5, 6]. Made by hand with Python's `struct` and
    /// numpy from the description of the format.
    enum SeveralSequences {
        static let int64Tokens = "AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAABAAAAAAAAAAFAAAAAAAAAAYAAAAAAAAA"
        static let int64Index = """
            TU1JRElEWAAAAQAAAAAAAAAFAwAAAAAAAAADAAAAAAAAAAIAAAABAAAAAwAAAAAAAAAAAAAAEAAAAAAAAAAYAAAAAAAAAAAAAAAA
            AAAAAgAAAAAAAAADAAAAAAAAAA==
            """
        static let uint8Tokens = "AQIDBAUG"
        /// With a mode for each sequence, as multimodal data sets have.
        static let uint8IndexWithModes = """
            TU1JRElEWAAAAQAAAAAAAAABAwAAAAAAAAADAAAAAAAAAAIAAAABAAAAAwAAAAAAAAAAAAAAAgAAAAAAAAADAAAAAAAAAAAAAAAA
            AAAAAgAAAAAAAAADAAAAAAAAAAABAA==
            """
    }
}

/// The little-endian bytes of integers, one after the other.
func littleEndian<Value: FixedWidthInteger>(_ values: some Sequence<Value>) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
}

/// An llm.c shard, as `write_datafile` in its `dev/data/data_common.py` makes them.
func llmcShard<Value: FixedWidthInteger>(magic: Int32, version: Int32, _ tokens: [Value]) -> [UInt8] {
    let header = [magic, version, Int32(tokens.count)] + [Int32](repeating: 0, count: 253)
    return littleEndian(header) + littleEndian(tokens)
}

extension URL {
    /// Writes a Megatron pair and returns its prefix.
    func write(_ name: String, tokens: String, index: String) throws -> String {
        try write(name + ".bin", bytes(base64: tokens))
        try write(name + ".idx", bytes(base64: index))
        return appendingPathComponent(name).path
    }

    /// Writes documents with the writer under test and returns the prefix.
    func write(_ name: String, documents: [[Int32]], vocabularySize: Int = 50_257) throws -> String {
        let prefix = appendingPathComponent(name).path
        let writer = try MegatronShardWriter(prefix: prefix, vocabularySize: vocabularySize)
        for document in documents { try document.withUnsafeBufferPointer { try writer.append(document: $0) } }
        try writer.finish()
        try writer.publish()
        return prefix
    }

    /// The names of the files in this folder, sorted.
    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

extension TokenDataset {
    /// The tokens of every document.
    func documents() throws -> [[Int32]] {
        try (0..<documentCount).map { try tokens(in: documentRange($0)) }
    }
}
