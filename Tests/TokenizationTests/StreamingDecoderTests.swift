import Numerics
import Testing
import Tokenization

@Suite struct StreamingDecoderTests {
    @Test func charactersAppearWhole() throws {
        var decoder = StreamingDecoder(try ByteTokenizer())
        let shown = try Array("aé雨🦅!".utf8).map { try decoder.append(Int32($0)) }
        #expect(shown == ["a", "", "é", "", "", "雨", "", "", "", "🦅", "!"])
        #expect(decoder.finish() == "")
    }

    @Test func whatNeverBecomesACharacterIsReplaced() throws {
        var decoder = StreamingDecoder(try ByteTokenizer())
        let shown = try [0xFF, 0x80, 0xE9, 0x9B, 0x41].map { try decoder.append($0) }
        #expect(shown == ["\u{FFFD}", "\u{FFFD}", "", "", "\u{FFFD}A"])
        #expect(try decoder.append(0xF0) == "")
        #expect(decoder.finish() == "\u{FFFD}")
        #expect(decoder.finish() == "")
    }

    @Test func anySequenceGivesWhatDecodingAtOnceGives() throws {
        let tokenizer = try HuggingFaceDocument().read()
        var random = SplitMix64(seed: 9)
        for _ in 0..<500 {
            let tokens = (0..<30).map { _ in Int32(random.next(below: tokenizer.vocabularySize)) }
            var decoder = StreamingDecoder(tokenizer)
            let streamed = try tokens.map { try decoder.append($0) }.joined() + decoder.finish()
            #expect(try streamed == tokenizer.decodeText(tokens))
        }
    }

    @Test func unknownTokensAreNamed() throws {
        var decoder = StreamingDecoder(try ByteTokenizer())
        _ = try decoder.append(65)
        let error = #expect(throws: ApusError.self) { try decoder.append(5_000) }
        #expect(error?.problem.contains("token 5000 at position 1") == true)
    }
}
