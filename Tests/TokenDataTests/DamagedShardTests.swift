import Foundation
import Numerics
import TestSupport
import Testing
import TokenData

/// Shards that were cut short, damaged or are something else: refused with the file's name, never a crash.
@Suite struct DamagedShardTests {
    /// Opens a shard and reads all of it. Returns the refusal, if it was refused.
    private func refusal(_ path: String) throws -> String? {
        do {
            let dataset = try TokenDatasetFile.open(path)
            _ = try dataset.documents()
            _ = try dataset.tokens(in: 0..<dataset.tokenCount)
            return nil
        } catch let error as ApusError {
            #expect(error.description.contains(path.replacingOccurrences(of: "nanogpt:", with: "")))
            return error.description
        }
    }

    @Test(arguments: ["bin", "idx"])
    func megatronPairsAreRefusedAtEveryShorterLength(file: String) throws {
        try withTemporaryFolder { folder in
            let prefix = try folder.write(
                "a", tokens: MegatronFixture.narrowTokens, index: MegatronFixture.narrowIndex)
            let whole = try Data(contentsOf: URL(fileURLWithPath: "\(prefix).\(file)"))
            #expect(try refusal(prefix) == nil)
            for length in 0..<whole.count {
                try folder.write("a.\(file)", whole[..<length])
                #expect(try refusal(prefix)?.contains("expected") == true, "\(length) of \(whole.count) bytes")
            }
            try folder.write("a.\(file)", whole + [0])
            #expect(try refusal(prefix)?.contains("expected") == true)
        }
    }

    @Test func llmcShardsAreRefusedAtEveryOtherLength() throws {
        try withTemporaryFolder { folder in
            let whole = llmcShard(magic: 20_240_520, version: 1, [1, 2, 3] as [UInt16])
            for length in 0..<whole.count {
                let path = try folder.write("a.bin", whole[..<length])
                #expect(try refusal(path)?.contains("expected") == true, "\(length) of \(whole.count) bytes")
            }
            #expect(try refusal(folder.write("a.bin", whole + [0, 0]))?.contains("found 1032") == true)
        }
    }

    @Test func nanoGPTShardsNeedAnEvenSize() throws {
        try withTemporaryFolder { folder in
            let shards = [
                "nanogpt:" + (try folder.write("a.bin", [1, 2, 3])), "nanogpt:" + (try folder.write("b.bin", "")),
                try folder.write("c.bin", [1, 0, 2, 0, 3]),
            ]
            for shard in shards { #expect(try refusal(shard)?.contains("two bytes each") == true) }
        }
    }

    /// What a header claims is checked before anything is done with it.
    @Test(
        arguments: [
            (0, [UInt8(ascii: "X")], "expected a Megatron index"),
            (9, [2], "found version 2"),
            (17, [6], "found 6"),
            (17, [9], "found 9"),
            (17, [4], "expected"),
            (18, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "18446744073709551615 sequences"),
            (18, [0, 0, 0, 0, 0, 0, 0, 0x15], "sequences"),
            (26, [0, 0, 0, 0, 0, 0, 0, 0x20], "document entries"),
            (26, [0], "found 102"),
            (34, [0xFF, 0xFF, 0xFF, 0xFF], "length -1"),
            (34, [4], "expected sequence 1 at byte 8"),
            (42, [0xFF, 0xFF, 0xFF, 0x7F], "expected"),
            (46, [2], "expected sequence 0 at byte 0"),
            (70, [1], "expected document entry 0"),
            (78, [9], "expected document entry 1"),
            (94, [2], "expected the last document to end with sequence 3"),
        ] as [(Int, [UInt8], String)])
    func megatronIndexesAreChecked(offset: Int, bytes: [UInt8], expected: String) throws {
        try withTemporaryFolder { folder in
            let prefix = try folder.write(
                "a", tokens: MegatronFixture.narrowTokens, index: MegatronFixture.narrowIndex)
            var index = try [UInt8](Data(contentsOf: URL(fileURLWithPath: prefix + ".idx")))
            index.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            try folder.write("a.idx", index)
            let text = try #require(try refusal(prefix))
            #expect(text.contains(expected), "\(text)")
        }
    }

    @Test func llmcHeadersAreChecked() throws {
        try withTemporaryFolder { folder in
            let version = try folder.write("a.bin", llmcShard(magic: 20_240_520, version: 2, [1] as [UInt16]))
            #expect(try refusal(version)?.contains("expected version 1, found version 2") == true)
            var negative = llmcShard(magic: 20_240_801, version: 7, [1] as [UInt32])
            negative.replaceSubrange(8..<12, with: [0xFF, 0xFF, 0xFF, 0xFF])
            #expect(try refusal(folder.write("b.bin", negative))?.contains("found -1") == true)
        }
    }

    /// Any byte may be wrong: the answer is a refusal or tokens, and always an answer.
    @Test func randomDamageNeverCrashes() throws {
        var generator = SplitMix64(seed: 5)
        try withTemporaryFolder { folder in
            let prefix = try folder.write("a", documents: [[1, 2, 3], [4], [], [5, 6]], vocabularySize: 100)
            let index = try [UInt8](Data(contentsOf: URL(fileURLWithPath: prefix + ".idx")))
            let shard = llmcShard(magic: 20_240_801, version: 7, [1, 2, 3] as [UInt32])
            var refused = 0
            for round in 0..<1_000 {
                let isIndex = round.isMultiple(of: 2)
                var damaged = isIndex ? index : shard
                for _ in 0...Int.random(in: 0..<3, using: &generator) {
                    // The header of an llm.c shard is mostly unused.
                    let end = isIndex ? damaged.count : 12
                    damaged[Int.random(in: 0..<end, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
                }
                let path = try folder.write(isIndex ? "a.idx" : "b.bin", damaged)
                if try refusal(path.replacingOccurrences(of: ".idx", with: "")) != nil { refused += 1 }
            }
            #expect(refused > 700)
        }
    }

    @Test func otherFilesAreRefused() throws {
        try withTemporaryFolder { folder in
            let text = try folder.write("a.txt", "hello, this is text")
            #expect(try refusal(text)?.contains("without a known beginning") == true)
            #expect(try refusal(folder.path)?.contains("folder") == true)
            #expect(try refusal(folder.path + "/none")?.contains("found neither") == true)
            let prefix = try folder.write("pair", documents: [[1]])
            try FileManager.default.removeItem(atPath: prefix + ".bin")
            #expect(try refusal(prefix)?.contains("pair.bin") == true)
            try folder.write("alone.bin", [1, 0, 2, 0])
            #expect(try refusal(folder.path + "/alone")?.contains("without") == true)
            try folder.write("half.bin.partial", [1, 0, 2, 0])
            #expect(try refusal(folder.path + "/half")?.contains("not prepared to its end") == true)
        }
    }
}
