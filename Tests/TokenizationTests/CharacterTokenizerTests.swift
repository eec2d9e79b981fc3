import Numerics
import Testing
import Tokenization

@Suite struct CharacterTokenizerTests {
    @Test func charactersAreNumberedInOrder() throws {
        let tokenizer = try CharacterTokenizer(characters: "banana 雨é".unicodeScalars)
        #expect(tokenizer.characters == [" ", "a", "b", "n", "é", "雨"])
        #expect(tokenizer.vocabularySize == 7)
        #expect(tokenizer.endOfText == 6)
        #expect(try tokenizer.encode("nab雨 é") == [3, 1, 2, 5, 0, 4])
        #expect(try tokenizer.decodeText([3, 1, 2, 5, 0, 4]) == "nab雨 é")
        #expect(tokenizer.token(for: Array("雨".utf8)) == 5)
        #expect(tokenizer.token(for: Array("ab".utf8)) == nil)
        #expect(try tokenizer.encode("a<|endoftext|>b", allowedSpecial: .all) == [1, 6, 2])
    }

    @Test func unknownCharactersAreNamedOrReplaced() throws {
        let strict = try CharacterTokenizer(characters: "abc".unicodeScalars)
        let error = #expect(throws: ApusError.self) { try strict.encode("ab雨") }
        #expect(error?.problem.contains("'雨' (U+96E8) at byte 2") == true)
        let tolerant = try CharacterTokenizer(
            characters: "abc".unicodeScalars, specialTokens: ["<|unknown|>"], unknownToken: "<|unknown|>")
        #expect(try tolerant.encode("ab雨") == [0, 1, 3])
    }

    @Test func textMustBeUTF8() throws {
        let tokenizer = try CharacterTokenizer(characters: "abc".unicodeScalars)
        for bytes: [UInt8] in [[97, 0xFF], [97, 0xE9, 0x9B], [97, 0xC0, 0x80]] {
            let error = #expect(throws: ApusError.self) { try tokenizer.encode(bytes) }
            #expect(error?.problem.contains("not UTF-8 at byte 1") == true)
        }
    }

    @Test func impossibleOnesAreRefused() throws {
        #expect(throws: ApusError.self) { try CharacterTokenizer(characters: "".unicodeScalars) }
        #expect(throws: ApusError.self) {
            try CharacterTokenizer(characters: "a".unicodeScalars, unknownToken: "<|unknown|>")
        }
        let tokenizer = try CharacterTokenizer(characters: "a".unicodeScalars)
        #expect(throws: ApusError.self) { try tokenizer.decode([2]) }
        #expect(throws: ApusError.self) { try tokenizer.decode([-1]) }
    }
}
