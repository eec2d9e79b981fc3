import Numerics
import Testing
import Tokenization

@Suite struct ByteTokenizerTests {
    @Test func everyByteIsItsOwnToken() throws {
        let tokenizer = try ByteTokenizer(specialTokens: ["<|endoftext|>", "<|pad|>"])
        let bytes = (0...255).map { UInt8($0) }
        #expect(try tokenizer.encode(bytes) == (0...255).map { Int32($0) })
        #expect(try tokenizer.decode(0..<256) == bytes)
        #expect(tokenizer.vocabularySize == 258)
        #expect(tokenizer.endOfText == 256)
        #expect(tokenizer.token(for: [65]) == 65)
    }

    @Test func specialTokensAreMatchedOnlyWhenAllowed() throws {
        let tokenizer = try ByteTokenizer(specialTokens: ["<|a|>", "<|b|>"])
        #expect(try tokenizer.encode("x<|a|>").count == 6)
        #expect(try tokenizer.encode("x<|a|><|b|>", allowedSpecial: .all) == [120, 256, 257])
        #expect(try tokenizer.encode("<|a|><|b|>", allowedSpecial: .only(["<|b|>"])).suffix(2) == [62, 257])
    }

    @Test func wrongTokensAreNamed() throws {
        let tokenizer = try ByteTokenizer(specialTokens: [])
        for token: Int32 in [-1, 256, .max, .min] {
            #expect(throws: ApusError.self) { try tokenizer.decode([65, token]) }
        }
        let error = #expect(throws: ApusError.self) { try tokenizer.decode([65, -1]) }
        #expect(error?.problem.contains("token -1 at position 1") == true)
        #expect(throws: ApusError.self) { try ByteTokenizer(specialTokens: ["a", "a"]) }
        #expect(throws: ApusError.self) { try ByteTokenizer(specialTokens: [""]) }
    }
}
