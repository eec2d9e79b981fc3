import Foundation
import Numerics
import TestSupport
import Testing
import TokenData
import Tokenization

@Suite struct PreparationTests {
    /// Prepares the files of `corpus` with a byte tokenizer, whose end-of-text token is 256.
    private func prepare(
        _ corpus: URL, into output: String, validationFraction: Double = 0.3, threads: Int = 2, overwrites: Bool = false
    ) throws -> PreparationReport {
        var preparation = Preparation(
            reader: try DocumentReader(paths: [corpus.path]), tokenizer: try ByteTokenizer(), outputFolder: output)
        preparation.validationFraction = validationFraction
        preparation.threadCount = threads
        preparation.overwrites = overwrites
        return try preparation.run()
    }

    /// The texts in a shard, each of which must end with the end-of-text token.
    private func texts(_ prefix: String) throws -> [String] {
        try TokenDatasetFile.open(prefix).documents().map { tokens in
            #expect(tokens.last == 256)
            return try ByteTokenizer().decodeText(tokens.dropLast())
        }
    }

    private func corpus(in folder: URL, _ texts: [String]) throws -> URL {
        let corpus = folder.appendingPathComponent("corpus")
        for (index, text) in texts.enumerated() { try corpus.write("\(1_000 + index).txt", text) }
        return corpus
    }

    @Test func documentsAreDividedKeptAndCounted() throws {
        try withTemporaryFolder { folder in
            let documents = (0..<200).map { "document \($0) é\n" }
            let report = try prepare(corpus(in: folder, documents), into: folder.path + "/out")
            let train = try texts(folder.path + "/out/train")
            let validation = try texts(folder.path + "/out/validation")
            #expect((train + validation).sorted() == documents.sorted())
            // Each side keeps the order of the input.
            #expect(documents.filter(train.contains) == train)
            #expect(documents.filter(validation.contains) == validation)
            #expect(40...80 ~= validation.count)
            #expect(report.documents == 200 && report.validation.documents == validation.count)
            #expect(report.bytes == documents.reduce(0) { $0 + $1.utf8.count })
            #expect(report.tokens == report.bytes + 200)
            #expect(report.splitAdjustment == nil)
            #expect(try folder.appendingPathComponent("out").names.count == 4)
        }
    }

    @Test func theSideOfADocumentDependsOnItAlone() throws {
        try withTemporaryFolder { folder in
            let some = (0..<60).map { "document \($0)" }
            let more = (0..<90).map { "document \(89 - $0)" }
            _ = try prepare(corpus(in: folder, some), into: folder.path + "/some")
            try FileManager.default.removeItem(at: folder.appendingPathComponent("corpus"))
            _ = try prepare(corpus(in: folder, more), into: folder.path + "/more")
            let validation = try texts(folder.path + "/some/validation")
            #expect(!validation.isEmpty)
            #expect(Set(validation) == Set(try texts(folder.path + "/more/validation")).intersection(some))
        }
    }

    /// FNV-1a and the finalizer, computed in Python.
    @Test(
        arguments: [
            ("a", 0x02C0_BDBF_4814_20F8), ("foobar", 0x404D_A9E3_B740_78C2), ("é🙂", 0x4991_EAC9_81D8_9772),
        ] as [(String, UInt64)])
    func hashesAreTheSameOnEveryMachine(text: String, expected: UInt64) {
        #expect(DocumentSplit.hash(Array(text.utf8)) == expected)
    }

    @Test func theBytesAreTheSameForAnyNumberOfThreads() throws {
        try withTemporaryFolder { folder in
            var generator = SplitMix64(seed: 3)
            var lines = ""
            for index in 0..<4_000 {
                let length = index == 1_000 ? 900_000 : Int.random(in: 1..<1_500, using: &generator)
                lines += "{\"text\": \"\(index) \(String(repeating: "x", count: length))\"}\n"
            }
            let corpus = folder.appendingPathComponent("corpus")
            try corpus.write("lines.jsonl", lines)
            for threads in [1, 2, 5] { _ = try prepare(corpus, into: "\(folder.path)/\(threads)", threads: threads) }
            for file in ["train.bin", "train.idx", "validation.bin", "validation.idx"] {
                let contents = try ["1", "2", "5"].map { threads in
                    try Data(contentsOf: folder.appendingPathComponent("\(threads)/\(file)"))
                }
                #expect(contents[0].count > 1_000)
                #expect(contents[0] == contents[1] && contents[0] == contents[2])
            }
        }
    }

    // MARK: Both sides get something

    @Test func aSmallCorpusStillGivesEachSideADocument() throws {
        try withTemporaryFolder { folder in
            let documents = ["one", "two", "three"]
            let corpus = try corpus(in: folder, documents)
            let few = try prepare(corpus, into: folder.path + "/few", validationFraction: 0.001)
            #expect(few.train.documents == 2 && few.validation.documents == 1)
            #expect(few.splitAdjustment?.contains("fell to validation") == true)
            let most = try prepare(corpus, into: folder.path + "/most", validationFraction: 0.999)
            #expect(most.train.documents == 1 && most.validation.documents == 2)
            #expect(most.splitAdjustment?.contains("fell to train") == true)
            // The order of documents is that of the input all the same.
            #expect(
                try texts(folder.path + "/few/train")
                    == documents.filter(try texts(folder.path + "/few/train").contains))
        }
    }

    @Test func aSingleDocumentIsCutAtAParagraph() throws {
        try withTemporaryFolder { folder in
            let paragraphs = (0..<100).map { "Paragraph \($0) has\ntwo lines.\n\n" }
            let corpus = try corpus(in: folder, [paragraphs.joined()])
            let report = try prepare(corpus, into: folder.path + "/out", validationFraction: 0.1)
            let train = try texts(folder.path + "/out/train")
            let validation = try texts(folder.path + "/out/validation")
            #expect(train.count == 1 && validation.count == 1)
            #expect(train[0] + validation[0] == paragraphs.joined())
            #expect(validation[0] == paragraphs[90...].joined())
            #expect(report.splitAdjustment?.contains("only document") == true)
        }
    }

    @Test(arguments: [
        ("line\nline\nline\nline\n", 0.25, 15),
        ("abcdefghij", 0.2, 8),
        ("ééééé", 0.3, 8),
        ("🙂🙂", 0.01, 4),
        ("one\r\n\r\ntwo\r\nthree", 0.5, 7),
        ("ab", 0.999, 1),
    ])
    func cutsFallOnTheBestBoundary(text: String, fraction: Double, expected: Int) {
        #expect(DocumentCut.position(in: Array(text.utf8), lastFraction: fraction) == expected)
    }

    @Test func aSingleCharacterCannotBeCut() throws {
        try withTemporaryFolder { folder in
            let corpus = try corpus(in: folder, ["🙂"])
            #expect(message { _ = try prepare(corpus, into: folder.path + "/out") }.contains("too few"))
            #expect(try folder.names == ["corpus"])
        }
    }

    @Test func noValidationMeansNoneIsWritten() throws {
        try withTemporaryFolder { folder in
            let corpus = try corpus(in: folder, ["one", "two"])
            _ = try prepare(corpus, into: folder.path + "/out", validationFraction: 0.5)
            _ = try prepare(corpus, into: folder.path + "/out", validationFraction: 0, overwrites: true)
            #expect(try folder.appendingPathComponent("out").names == ["train.bin", "train.idx"])
            #expect(try texts(folder.path + "/out/train") == ["one", "two"])
        }
    }

    // MARK: Failures

    @Test func shardsAreNotOverwrittenUnasked() throws {
        try withTemporaryFolder { folder in
            let corpus = try corpus(in: folder, ["one", "two"])
            _ = try prepare(corpus, into: folder.path + "/out")
            #expect(message { _ = try prepare(corpus, into: folder.path + "/out") }.contains("--overwrite"))
        }
    }

    @Test func aFailureLeavesOldShardsAndNothingNew() throws {
        try withTemporaryFolder { folder in
            let corpus = try corpus(in: folder, ["one", "two"])
            _ = try prepare(corpus, into: folder.path + "/out")
            let before = try texts(folder.path + "/out/train")
            try corpus.write("zzz.txt", [0x61, 0xFF])
            for output in ["out", "new"] {
                let text = message { _ = try prepare(corpus, into: "\(folder.path)/\(output)", overwrites: true) }
                #expect(text.contains("zzz.txt") && text.contains("byte 1"))
            }
            #expect(try folder.names == ["corpus", "out"])
            #expect(try folder.appendingPathComponent("out").names.count == 4)
            #expect(try texts(folder.path + "/out/train") == before)
        }
    }

    @Test func aDocumentThatCannotBeEncodedIsNamed() throws {
        try withTemporaryFolder { folder in
            let corpus = try corpus(in: folder, ["abc", "bca", "cab", "abx"])
            var preparation = Preparation(
                reader: try DocumentReader(paths: [corpus.path]),
                tokenizer: try CharacterTokenizer(characters: "abc".unicodeScalars), outputFolder: folder.path + "/out")
            preparation.threadCount = 3
            let text = message { _ = try preparation.run() }
            #expect(text.contains("1003.txt"), "\(text)")
            #expect(try folder.names == ["corpus"])
        }
    }

    @Test func aCorpusWithoutTextIsRefused() throws {
        try withTemporaryFolder { folder in
            let corpus = try corpus(in: folder, ["", ""])
            let text = message { _ = try prepare(corpus, into: folder.path + "/out") }
            #expect(text.contains("no document") && text.contains("2 empty files"), "\(text)")
        }
    }

    @Test(arguments: [-0.1, 1, .nan])
    func fractionsOutsideTheRangeAreRefused(fraction: Double) throws {
        try withTemporaryFolder { folder in
            let corpus = try corpus(in: folder, ["one"])
            let text = message { _ = try prepare(corpus, into: folder.path + "/o", validationFraction: fraction) }
            #expect(text.contains("found \(fraction)"))
        }
    }
}
