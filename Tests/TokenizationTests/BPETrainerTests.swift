import Numerics
import Testing
import Tokenization

@Suite struct BPETrainerTests {
    private func train(
        _ documents: [String], size: Int, special: [String] = [], minimumCount: Int = 2, threads: Int = 1
    ) throws -> ByteLevelBPE {
        let pool = ThreadPool(threadCount: threads)
        let trainer = try BPETrainer(
            .init(vocabularySize: size, specialTokens: special, minimumCount: minimumCount), pool: pool)
        for document in documents { trainer.add(Array(document.utf8)) }
        return try trainer.train()
    }

    @Test func findsTheMergesOfHuggingFacesTrainer() throws {
        let tokenizer = try train([HuggingFaceGoldens.trainingText], size: 5_000)
        #expect(tokenizer.mergeLines == HuggingFaceGoldens.merges)
        #expect(tokenizer.vocabularySize == 256 + HuggingFaceGoldens.merges.count)
        let half = try train([HuggingFaceGoldens.trainingText], size: 256 + 50)
        #expect(half.mergeLines == Array(HuggingFaceGoldens.merges.prefix(50)))
        let all = try train([HuggingFaceGoldens.trainingText], size: 5_000, minimumCount: 1)
        #expect(all.vocabularySize == HuggingFaceGoldens.vocabularySizeOfAllMerges)
    }

    @Test func ordersTiesByIds() throws {
        // Every pair comes twice.
        let tokenizer = try train(["dc", "az", "zz", "ad", "dc", "az", "zz", "ad"], size: 260)
        #expect(tokenizer.mergeLines == ["a d", "a z", "d c", "z z"])
    }

    @Test func overlappingPairsAllCount() throws {
        // "aaa" has the pair "a a" twice, so it beats "b c", which comes three times, in two documents.
        let tokenizer = try train(["aaa", "aaa", "bc", "bc", "bc"], size: 257)
        #expect(tokenizer.mergeLines == ["a a"])
    }

    @Test(arguments: 2...4) func anyNumberOfThreadsGivesTheSameTokenizer(_ threads: Int) throws {
        var random = SplitMix64(seed: 11)
        let words = HuggingFaceGoldens.trainingText.split { $0 == " " }
        func text(_ count: Int) -> String {
            (0..<count).map { _ in words[random.next(below: words.count)] }.joined(separator: " ")
        }
        // One document of several chunks, and many small ones.
        let documents = [text(120_000)] + (0..<200).map { _ in text(50) }
        let single = try train(documents, size: 600)
        let several = try train(documents.reversed(), size: 600, threads: threads)
        #expect(TokenizerFile.contents(single) == TokenizerFile.contents(several))
    }

    @Test func specialTokensComeLastAndAreNotLearnt() throws {
        let text = String(repeating: "<|endoftext|>swift", count: 50)
        let tokenizer = try train([text], size: 300, special: ["<|endoftext|>", "<|pad|>"])
        // All pairs of "swift" come equally often; 'f' has the smallest id.
        #expect(tokenizer.mergeLines == ["f t", "i ft", "s w", "sw ift"])
        #expect(tokenizer.specialTokens.map(\.text) == ["<|endoftext|>", "<|pad|>"])
        #expect(tokenizer.specialTokens.map(\.token) == [260, 261])
        #expect(tokenizer.endOfText == 260)
    }

    @Test func anyBytesCanBeTrainedOn() throws {
        let pool = ThreadPool(threadCount: 2)
        let trainer = try BPETrainer(.init(vocabularySize: 300), pool: pool)
        var random = SplitMix64(seed: 3)
        let bytes = (0..<20_000).map { _ in UInt8(random.next(below: 256)) }
        trainer.add(bytes)
        let tokenizer = try trainer.train()
        #expect(try tokenizer.decode(tokenizer.encode(bytes)) == bytes)
    }

    @Test func aSmallCorpusGivesFewerTokensAndSaysSo() throws {
        let pool = ThreadPool(threadCount: 1)
        let trainer = try BPETrainer(.init(vocabularySize: 1_000), pool: pool)
        trainer.add(Array("a b a b".utf8))
        let tokenizer = try trainer.train()
        #expect(tokenizer.vocabularySize < 1_000)
        #expect(trainer.warning(for: tokenizer)?.contains("instead of 1000") == true)
        let trainedFully = try BPETrainer(.init(vocabularySize: 257), pool: pool)
        trainedFully.add([65])
        #expect(trainedFully.warning(for: try trainedFully.train()) == nil)
    }

    @Test func impossibleRequestsAreRefused() throws {
        let pool = ThreadPool(threadCount: 1)
        let error = #expect(throws: ApusError.self) {
            try BPETrainer(.init(vocabularySize: 256, specialTokens: ["<|endoftext|>"]), pool: pool)
        }
        #expect(error?.description.contains("at least 257") == true)
        for size in [-1, 0, Int.max] {
            #expect(throws: ApusError.self) { try BPETrainer(.init(vocabularySize: size), pool: pool) }
        }
        #expect(throws: ApusError.self) {
            try BPETrainer(.init(vocabularySize: 400, specialTokens: ["a", "a"]), pool: pool)
        }
        #expect(throws: ApusError.self) { try BPETrainer(.init(vocabularySize: 400), pool: pool).train() }
        #expect(throws: ApusError.self) { try train(["", ""], size: 400) }
    }
}
