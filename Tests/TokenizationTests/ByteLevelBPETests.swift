import Foundation
import Numerics
import Testing
import Tokenization

@Suite struct ByteLevelBPETests {
    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// What each set of golden tokens was made with.
    private static func document(_ variant: String) -> HuggingFaceDocument {
        var document = HuggingFaceDocument()
        let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
        let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
        let size = 256 + HuggingFaceGoldens.merges.count
        switch variant {
        case "gpt4":
            document.split(
                by: contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces)
        case "qwen2":
            document.split(
                by: contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces,
                behavior: "Removed", invert: true)
        case "gpt4o":
            document.split(
                by: #"[^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(contractions)?|"#
                    + #"[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#(contractions)?|"#
                    + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces)
        case "nfc": document.root["normalizer"] = ["type": "NFC"]
        case "digits":
            document.root["pre_tokenizer"] = [
                "type": "Sequence",
                "pretokenizers": [
                    ["type": "Digits", "individual_digits": true] as [String: Any],
                    HuggingFaceDocument.byteLevel(usesRegex: true),
                ],
            ]
        case "special", "added":
            document.add("<|endoftext|>", id: size, isSpecial: true)
            if variant == "added" {
                document.add("  ", id: size + 1, isSpecial: false)
                document.add("   ", id: size + 2, isSpecial: false)
            }
        default: break
        }
        return document
    }

    @Test(arguments: HuggingFaceGoldens.tokens.keys.sorted())
    func encodesAsHuggingFaceDoes(_ variant: String) throws {
        let document = Self.document(variant)
        for tokenizer in [try document.read(), try rewritten(document.read())] {
            let encoder = tokenizer.makeEncoder(allowedSpecial: .all)
            for (text, tokens) in zip(HuggingFaceGoldens.texts, try #require(HuggingFaceGoldens.tokens[variant])) {
                #expect(try encoder.encode(text) == tokens, "\(variant): \(text)")
                #expect(try encoder.encode(text) == tokens, "from the cache, \(variant): \(text)")
                if variant != "nfc" { #expect(try tokenizer.decodeText(tokens) == text) }
            }
        }
    }

    private func rewritten(_ tokenizer: ByteLevelBPE) throws -> ByteLevelBPE {
        try TokenizerFile.read(TokenizerFile.contents(tokenizer), source: "written") as! ByteLevelBPE
    }

    @Test(arguments: ["gpt2", "gpt4", "gpt4o", "digits", "added"])
    func anyBytesRoundTrip(_ variant: String) throws {
        let tokenizer = try Self.document(variant).read()
        let encoder = tokenizer.makeEncoder(allowedSpecial: .all)
        var random = SplitMix64(seed: 20)
        let fragments = HuggingFaceGoldens.texts.map { Array($0.utf8) }
        for round in 0..<2_000 {
            var bytes: [UInt8] = []
            for _ in 0..<random.next(below: 12) {
                let fragment = fragments[random.next(below: fragments.count)]
                switch random.next(below: 3) {
                case 0: bytes += fragment.prefix(random.next(below: fragment.count + 1))
                case 1: bytes += fragment.suffix(random.next(below: fragment.count + 1))
                default: bytes += (0..<random.next(below: 20)).map { _ in UInt8(random.next(below: 256)) }
                }
            }
            #expect(try tokenizer.decode(encoder.encode(bytes)) == bytes, "round \(round): \(bytes)")
        }
    }

    @Test func longPiecesMergeLikeShortOnes() throws {
        // A run of letters is one piece; cut into words by other letters, the merges of each are known.
        let tokenizer = try HuggingFaceDocument().read()
        let word = try tokenizer.encode("swift")
        for count in [1, 10, 100, 1000, 100_000] {
            let piece = String(repeating: "swiftQ", count: count)
            let separate = Array(repeatElement(word + (try tokenizer.encode("Q")), count: count).joined())
            #expect(try tokenizer.encode(piece) == separate)
        }
    }

    @Test func equalRanksMergeFromTheLeft() throws {
        let tokenizer = try HuggingFaceDocument(merges: ["a a", "aa aa", "aa a"]).read()
        for count in 1...300 {
            let tokens = try tokenizer.encode(String(repeating: "a", count: count))
            let pieces = try tokens.map { try tokenizer.decode([$0]).count }
            let rest: [Int] = [[], [1], [2], [3]][count % 4]
            #expect(pieces == Array(repeating: 4, count: count / 4) + rest)
        }
    }

    @Test func encodersOfOneTokenizerWorkOnSeveralThreads() throws {
        let tokenizer = try HuggingFaceDocument().read()
        let text = Array((HuggingFaceGoldens.trainingText + HuggingFaceGoldens.texts.joined()).utf8)
        let expected = try tokenizer.encode(text)
        let pool = ThreadPool(threadCount: 4)
        let results = Results(count: 16)
        pool.forEachTile(16) { tile, _ in results.set(tile, (try? tokenizer.encode(text)) ?? []) }
        #expect(results.values.allSatisfy { $0 == expected })
    }

    private final class Results: @unchecked Sendable {
        private let lock = NSLock()
        private(set) var values: [[Int32]]
        init(count: Int) { values = Array(repeating: [], count: count) }
        func set(_ index: Int, _ tokens: [Int32]) { lock.withLock { values[index] = tokens } }
    }

    @Test func encodingAppends() throws {
        let tokenizer = try HuggingFaceDocument().read()
        let encoder = tokenizer.makeEncoder()
        var tokens: [Int32] = [7]
        for text in ["The", "", " wind"] {
            try Array(text.utf8).withUnsafeBufferPointer { try encoder.encode($0, into: &tokens) }
        }
        #expect(tokens == [7] + (try tokenizer.encode("The")) + (try tokenizer.encode(" wind")))
    }

    @Test func manyDifferentPreTokensOutgrowTheCache() throws {
        let tokenizer = try HuggingFaceDocument().read()
        let encoder = tokenizer.makeEncoder()
        var random = SplitMix64(seed: 5)
        var words: [String] = []
        for _ in 0..<100_000 {
            words.append(
                String((0..<(1 + random.next(below: 24))).map { _ in "aeinstwh".randomElement(using: &random)! }))
        }
        let text = words.joined(separator: " ")
        let tokens = try encoder.encode(text)
        #expect(try tokenizer.decodeText(tokens) == text)
        #expect(try encoder.encode(text) == tokens)
    }

    @Test func tokensAndIdsFindEachOther() throws {
        let tokenizer = try Self.document("special").read()
        for token in 0..<Int32(tokenizer.vocabularySize - 1) {
            let bytes = try #require(tokenizer.bytes(of: token))
            #expect(tokenizer.token(for: bytes) == token)
        }
        #expect(tokenizer.endOfText == Int32(tokenizer.vocabularySize - 1))
        #expect(tokenizer.bytes(of: -1) == nil)
        #expect(tokenizer.bytes(of: Int32(tokenizer.vocabularySize)) == nil)
        #expect(throws: ApusError.self) { try tokenizer.decode([0, -5]) }
        #expect(throws: ApusError.self) { try tokenizer.decode([.max]) }
    }
}

extension SplitMix64 {
    mutating func next(below bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
