import Foundation
import TestSupport
import Testing
import TokenData

@Suite struct ShardTests {
    @Test(arguments: [
        (
            MegatronFixture.narrowDocuments, 65_499, MegatronFixture.narrowTokens, MegatronFixture.narrowIndex, "uint16"
        ),
        (MegatronFixture.wideDocuments, 65_500, MegatronFixture.wideTokens, MegatronFixture.wideIndex, "int32"),
    ])
    func writesAndReadsWhatMegatronDoes(
        documents: [[Int32]], vocabularySize: Int, tokens: String, index: String, type: String
    ) throws {
        try withTemporaryFolder { folder in
            let written = try folder.write("ours", documents: documents, vocabularySize: vocabularySize)
            #expect(try Data(contentsOf: URL(fileURLWithPath: written + ".bin")) == Data(bytes(base64: tokens)))
            #expect(try Data(contentsOf: URL(fileURLWithPath: written + ".idx")) == Data(bytes(base64: index)))

            let dataset = try TokenDatasetFile.open(folder.write("theirs", tokens: tokens, index: index))
            #expect(dataset.tokenCount == 5)
            #expect(try dataset.documents() == documents)
            #expect(dataset.format.hasSuffix(type))
            #expect(try dataset.tokens(in: 1..<4) == [2, 3, documents[2][0]])
        }
    }

    @Test func documentsMayConsistOfSeveralSequences() throws {
        typealias Fixture = MegatronFixture.SeveralSequences
        try withTemporaryFolder { folder in
            let wide = try folder.write("a", tokens: Fixture.int64Tokens, index: Fixture.int64Index)
            #expect(try TokenDatasetFile.open(wide).documents() == [[1, 2, 3], [4, 5, 6]])
            let narrow = try folder.write("b", tokens: Fixture.uint8Tokens, index: Fixture.uint8IndexWithModes)
            let dataset = try MegatronDataset(prefix: narrow)
            #expect(try dataset.documents() == [[1, 2, 3], [4, 5, 6]])
            #expect(dataset.sequenceCount == 3)
        }
    }

    @Test func dataSetsMayBeEmpty() throws {
        try withTemporaryFolder { folder in
            let dataset = try TokenDatasetFile.open(folder.write("empty", documents: []))
            #expect(dataset.documentCount == 0 && dataset.tokenCount == 0)
            #expect(try dataset.validate(vocabularySize: 1) == -1)
            #expect(DocumentLengths(of: dataset) == nil)
        }
    }

    @Test func llmcAndNanoGPTShardsAreRecognised() throws {
        try withTemporaryFolder { folder in
            let narrow = try folder.write(
                "gpt2.bin", llmcShard(magic: 20_240_520, version: 1, [50_256, 7] as [UInt16]))
            let wide = try folder.write(
                "llama.bin", llmcShard(magic: 20_240_801, version: 7, [128_000, 9, 1] as [UInt32]))
            let bare = try folder.write("val.bin", littleEndian([50_256, 1, 65_535] as [UInt16]))
            let other = try folder.write("tokens.dat", littleEndian([3, 4] as [UInt16]))
            #expect(try TokenDatasetFile.open(narrow).tokens(in: 0..<2) == [50_256, 7])
            #expect(try TokenDatasetFile.open(wide).tokens(in: 0..<3) == [128_000, 9, 1])
            #expect(try TokenDatasetFile.open(bare).documents() == [[50_256, 1, 65_535]])
            #expect(try TokenDatasetFile.open("nanogpt:" + other).documents() == [[3, 4]])
            // The prefix turns off the look at the beginning.
            #expect(try TokenDatasetFile.open("nanogpt:" + narrow).tokenCount == 514)
        }
    }

    @Test func aPairIsOpenedByPrefixOrEitherFile() throws {
        try withTemporaryFolder { folder in
            let prefix = try folder.write("train", documents: [[1], [2, 3]])
            for path in [prefix, prefix + ".bin", prefix + ".idx"] {
                #expect(try TokenDatasetFile.open(path).documents() == [[1], [2, 3]])
            }
        }
    }

    @Test func severalShardsAreReadAsOne() throws {
        try withTemporaryFolder { folder in
            let first = try folder.write("a", documents: [[1, 2], [3]])
            let empty = try folder.write("b", documents: [])
            let last = try folder.write("c.bin", littleEndian([4, 5] as [UInt16]))
            let dataset = try TokenDatasetFile.open([first, empty, last])
            #expect(dataset.tokenCount == 5)
            #expect(try dataset.documents() == [[1, 2], [3], [4, 5]])
            #expect(try dataset.tokens(in: 1..<5) == [2, 3, 4, 5])
            let text = message { try dataset.validate(vocabularySize: 5) }
            #expect(text.contains("c.bin") && text.contains("found 5 at token 1"), "\(text)")
        }
    }

    @Test func tokensOutsideTheVocabularyAreFound() throws {
        try withTemporaryFolder { folder in
            var document = [Int32](repeating: 3, count: 200_000)
            document[150_001] = 1_000
            let dataset = try TokenDatasetFile.open(folder.write("a", documents: [document]))
            #expect(try dataset.validate(vocabularySize: 1_001) == 1_000)
            let text = message { try dataset.validate(vocabularySize: 1_000) }
            #expect(text.contains("found 1000 at token 150001") && text.contains("vocabulary size 1000"), "\(text)")
        }
    }

    @Test func valuesThatAreNoTokensAreFound() throws {
        try withTemporaryFolder { folder in
            let path = try folder.write(
                "a.bin", llmcShard(magic: 20_240_801, version: 7, [1, 2, 3_000_000_000] as [UInt32]))
            let dataset = try TokenDatasetFile.open(path)
            #expect(try dataset.tokens(in: 0..<2) == [1, 2])
            let text = message { _ = try dataset.tokens(in: 0..<3) }
            #expect(text.contains(path) && text.contains("found 3000000000 at token 2"), "\(text)")
        }
    }

    // MARK: Writing

    @Test func nothingIsLeftOfAnAbandonedWriter() throws {
        try withTemporaryFolder { folder in
            let prefix = try folder.write("train", documents: [[1, 2]])
            do {
                let writer = try MegatronShardWriter(prefix: prefix, vocabularySize: 10)
                try [3, 4].withUnsafeBufferPointer { try writer.append(document: $0) }
                try writer.finish()
                #expect(try folder.names.count == 4)
            }
            #expect(try folder.names == ["train.bin", "train.idx"])
            #expect(try TokenDatasetFile.open(prefix).documents() == [[1, 2]])
        }
    }

    @Test func tokensOutsideTheVocabularyAreNotWritten() throws {
        try withTemporaryFolder { folder in
            for token in [10, -1] as [Int32] {
                let text = message { _ = try folder.write("a", documents: [[token]], vocabularySize: 10) }
                #expect(text.contains("token \(token)"))
            }
            let names = try folder.names
            #expect(names == [])
        }
    }

    @Test func unwritableFoldersAreNamed() throws {
        try withTemporaryFolder { folder in
            let prefix = folder.path + "/missing/train"
            let text = message { _ = try MegatronShardWriter(prefix: prefix, vocabularySize: 10) }
            #expect(text.contains(prefix), "\(text)")
        }
    }
}
