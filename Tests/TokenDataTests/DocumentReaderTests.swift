import Foundation
import TestSupport
import Testing
import TokenData

@Suite struct DocumentReaderTests {
    @Test func aFileIsADocument() throws {
        try withTemporaryFolder { folder in
            let a = try folder.write("a.txt", "one\n\ntwo\r\n")
            let b = try folder.write("b.pod", "=head1 é 🙂")
            let (documents, summary) = try read([b, a])
            #expect(documents.map(\.text) == ["=head1 é 🙂", "one\n\ntwo\r\n"])
            #expect(documents.map(\.identifier) == [b, a])
            #expect(summary.files == 2 && summary.documents == 2)
            #expect(summary.bytes == "=head1 é 🙂one\n\ntwo\r\n".utf8.count)
        }
    }

    @Test func foldersAreWalkedInSortedOrderWithoutHiddenBinaryAndEmptyFiles() throws {
        try withTemporaryFolder { folder in
            for name in ["b.txt", "a/z.txt", "a/b/c.md", "Z.txt", "é.txt"] { try folder.write(name, name) }
            try folder.write(".git/config", "hidden")
            try folder.write("a/.hidden.txt", "hidden")
            try folder.write("picture.png", [0x89, 0x50, 0x00, 0x01])
            try folder.write("empty.txt", "")
            try FileManager.default.createSymbolicLink(
                at: folder.appendingPathComponent("a/loop"), withDestinationURL: folder)
            try FileManager.default.createSymbolicLink(
                atPath: folder.appendingPathComponent("dangling").path, withDestinationPath: "nowhere")
            let (documents, summary) = try read([folder.path])
            #expect(documents.map(\.text) == ["Z.txt", "a/b/c.md", "a/z.txt", "b.txt", "é.txt"])
            #expect(summary.skippedHiddenFiles == 2)
            #expect(summary.skippedBinaryFiles == 1)
            #expect(summary.skippedSpecialFiles == 1)
            #expect(summary.emptyFiles == 1)
            #expect(summary.files == 5)
        }
    }

    @Test func filesListSizesAndKindsForParallelReading() throws {
        try withTemporaryFolder { folder in
            try folder.write("a.txt", "12345")
            try folder.write("b.jsonl", "{\"text\": \"x\"}\n")
            let reader = try DocumentReader(paths: [folder.path])
            #expect(reader.files.map(\.size) == [5, 14])
            #expect(reader.files.map(\.format) == [.text, .jsonLines])
            var texts: [String] = []
            for file in reader.files.reversed() { try reader.forEachDocument(in: file) { texts.append($0.text) } }
            #expect(texts == ["x", "12345"])
        }
    }

    @Test(arguments: [
        ("one\n<|endoftext|>\ntwo\nlines\n<|endoftext|>\n", ["one", "two\nlines"]),
        ("one\r\n<|endoftext|>\r\ntwo", ["one", "two"]),
        (" <|endoftext|> \nonly\n\n", ["only\n"]),
        ("not <|endoftext|> alone", ["not <|endoftext|> alone"]),
    ])
    func aSeparatorLineDividesDocuments(text: String, expected: [String]) throws {
        try withTemporaryFolder { folder in
            let path = try folder.write("stories.txt", text)
            let (documents, _) = try read([path], .init(separator: .line("<|endoftext|>")))
            #expect(documents.map(\.text) == expected)
        }
    }

    @Test func documentsBetweenSeparatorsAreNumberedAndEmptyOnesCounted() throws {
        try withTemporaryFolder { folder in
            let path = try folder.write("stories.txt", "one\n--\n--\nthree\n")
            let (documents, summary) = try read([path], .init(separator: .line("--")))
            #expect(documents.map(\.identifier) == ["\(path)#1", "\(path)#3"])
            #expect(summary.emptyDocuments == 1)
        }
    }

    @Test func blankLinesDivideParagraphs() throws {
        try withTemporaryFolder { folder in
            let path = try folder.write("a.txt", "\n\none\nmore\n \t\n\n\ntwo\n\n")
            let (documents, summary) = try read([path], .init(separator: .blankLine))
            #expect(documents.map(\.text) == ["one\nmore", "two"])
            #expect(summary.emptyDocuments == 0)
        }
    }

    @Test func linesMayBeLongerThanTheReadBuffer() throws {
        try withTemporaryFolder { folder in
            let long = String(repeating: "0123456789abcdé", count: 400_000)
            let path = try folder.write("long.jsonl", "{\"text\": \"\(long)\"}\n{\"text\": \"short\"}\n")
            let (documents, _) = try read([path])
            #expect(documents.count == 2)
            #expect(documents[0].text == long)
            #expect(documents[1].text == "short")
        }
    }

    @Test func aByteOrderMarkIsNotText() throws {
        try withTemporaryFolder { folder in
            let text = try folder.write("a.txt", "\u{FEFF}text")
            let lines = try folder.write("b.jsonl", "\u{FEFF}{\"text\": \"line\"}")
            let (documents, _) = try read([text, lines])
            #expect(documents.map(\.text) == ["text", "line"])
            let (parts, _) = try read([text], .init(separator: .blankLine))
            #expect(parts.map(\.text) == ["text"])
        }
    }

    // MARK: Invalid UTF-8

    @Test func invalidUTF8NamesFileAndByte() throws {
        try withTemporaryFolder { folder in
            let path = try folder.write("latin.txt", Array("caf".utf8) + [0xE9, 0x20])
            let text = message { _ = try read([path]) }
            #expect(text.contains(path) && text.contains("0xe9") && text.contains("byte 3"))
            #expect(text.contains("--invalid-utf8"))

            let parts = try folder.write("parts.txt", Array("one\n--\nx".utf8) + [0xFF])
            #expect(message { _ = try read([parts], .init(separator: .line("--"))) }.contains("byte 8"))

            let wide = try folder.write("wide.txt", [0xFF, 0xFE, 0x61, 0x00])
            #expect(message { _ = try read([wide]) }.contains("found UTF-16"))

            let line = try folder.write(
                "a.jsonl", Array("{\"text\": \"\"}\n{\"text\": \"".utf8) + [0xC3] + Array("\"}".utf8))
            #expect(message { _ = try read([line]) }.contains("line 2, byte 23"))

            let escape = try folder.write("b.jsonl", #"{"text": "a\ud83dz"}"#)
            #expect(message { _ = try read([escape]) }.contains("escaped surrogate"))
        }
    }

    @Test func invalidUTF8CanBeReplacedOrSkipped() throws {
        try withTemporaryFolder { folder in
            try folder.write("a.txt", "good")
            try folder.write("b.txt", [0x61, 0xFF, 0x62])
            try folder.write("c.jsonl", #"{"text": "x\ud83d"}"#)
            let (replaced, repair) = try read([folder.path], .init(invalidUTF8: .replace))
            #expect(replaced.map(\.text) == ["good", "a\u{FFFD}b", "x\u{FFFD}\u{FFFD}\u{FFFD}"])
            #expect(repair.repairedDocuments == 2)
            let (kept, skip) = try read([folder.path], .init(invalidUTF8: .skip))
            #expect(kept.map(\.text) == ["good"])
            #expect(skip.skippedInvalidDocuments == 2)
        }
    }

    // MARK: Other bad input

    @Test func missingPathsAndEmptyFoldersAreNamed() throws {
        try withTemporaryFolder { folder in
            #expect(message { _ = try read([folder.path + "/nothing.txt"]) }.contains("nothing.txt"))
            #expect(message { _ = try read([folder.path]) }.contains("no file in \(folder.path)"))
        }
    }

    @Test func documentsBeyondTheLimitAreRefused() throws {
        try withTemporaryFolder { folder in
            var options = DocumentReaderOptions()
            options.largestDocument = 1 << 20
            let path = try folder.write("a.txt", String(repeating: "x", count: 1 + 1 << 20))
            #expect(message { _ = try read([path], options) }.contains("--separator"))
            let line = try folder.write("a.jsonl", String(repeating: "x", count: 5 << 20))
            #expect(message { _ = try read([line], options) }.contains("line 1 is longer than"))
        }
    }
}
