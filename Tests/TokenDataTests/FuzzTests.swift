import Foundation
import TestSupport
import Testing
import TokenData

/// Any bytes are token shards or documents, or are refused in order.
@Suite struct FuzzTests {
    /// Reads all that a data set says it has.
    private func use(_ dataset: any TokenDataset) throws {
        #expect(dataset.tokenCount <= 1 << 20)
        for document in 0..<dataset.documentCount { _ = try dataset.tokens(in: dataset.documentRange(document)) }
        try dataset.validate(vocabularySize: 1 << 31)
        _ = DocumentLengths(of: dataset)
        _ = try TokenSampler(dataset: dataset, sequenceLength: 2, seed: 1).sample(at: 1_000_003)
    }

    @Test func anyBytesAreAnIndexOrRefused() throws {
        try withTemporaryFolder { folder in
            for (name, tokens, index) in [
                ("index", MegatronFixture.narrowTokens, MegatronFixture.narrowIndex),
                (
                    "index-of-modes", MegatronFixture.SeveralSequences.uint8Tokens,
                    MegatronFixture.SeveralSequences.uint8IndexWithModes
                ),
            ] {
                let prefix = try folder.write(name, tokens: tokens, index: index)
                let taken = try fuzz(name, samples: [try bytes(base64: index)], words: ["MMIDIDX\0\0"]) {
                    try replaceFile(prefix + ".idx", $0)
                    try use(try TokenDatasetFile.open(prefix))
                }
                #expect(taken > 0)
            }
        }
    }

    @Test func anyBytesAreAFlatShardOrRefused() throws {
        let samples = [
            llmcShard(magic: 20_240_520, version: 1, [1, 2, 3, 65_535] as [UInt16]),
            llmcShard(magic: 20_240_801, version: 7, [1, 2, 3, 100_000] as [UInt32]),
            littleEndian([1, 2, 3, 50_256, 4] as [UInt16]),
        ]
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("shard.bin").path
            let taken = try fuzz("shard", samples: samples) {
                try replaceFile(path, $0)
                try use(try TokenDatasetFile.open(path))
            }
            #expect(taken > 0)
        }
    }

    @Test func anyBytesAreJSONLinesOrRefused() throws {
        let samples = [
            #"{"text": "plain"}"# + "\n" + #"{"id": 7, "text":"after", "x": null}"# + "\n",
            #" { "a" : [ 1 , -2.5e+3, {"text": "inner"}, [] , {} ] , "text" : "\"\\\/\b\ud83d\ude42\u20AC" } "#,
        ]
        try fuzzDocuments("lines", "lines.jsonl", samples: samples.map { Array($0.utf8) })
    }

    @Test func anyBytesAreCompressedLinesOrRefused() throws {
        let gzip = """
            H4sIAAAAAAACA6tWKkmtKFGyUlBKyywqLlGq5QIA9BfZ+BIAAAAfiwgAAAAAAAIDq1YqSa0oUbJSUCpOTc7PS1Gq5QIAFKALHxMA
            AAA=
            """
        let zstandard = """
            KLUv/QRokQAAeyJ0ZXh0IjogImZpcnN0In0Kh37V/ii1L/0EaJkAAHsidGV4dCI6ICJzZWNvbmQifQoCb0GR
            """
        try fuzzDocuments("gzip", "lines.jsonl.gz", samples: [try bytes(base64: gzip)])
        try fuzzDocuments("zstandard", "lines.jsonl.zst", samples: [try bytes(base64: zstandard)])
    }

    private func fuzzDocuments(_ name: String, _ fileName: String, samples: [[UInt8]]) throws {
        let words = [
            "\"text\":", "{", "}", "[", "]", ",", "\\u", "\\ud800", "\"", "\r\n", "\u{feff}", "null", "1e5", "\0",
        ]
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent(fileName).path
            var options = DocumentReaderOptions()
            options.invalidUTF8 = .replace
            // A few bytes of a compressed file can stand for a gigabyte.
            options.largestDocument = 1 << 22
            let taken = try fuzz(name, samples: samples, words: words) {
                try replaceFile(path, $0)
                _ = try read([path], options)
            }
            #expect(taken > 0)
        }
    }
}
