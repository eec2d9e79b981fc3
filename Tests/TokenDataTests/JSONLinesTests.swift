import Foundation
import Numerics
import TestSupport
import Testing
import TokenData

@Suite struct JSONLinesTests {
    private func text(_ line: String, field: String = "text") throws -> String? {
        try withTemporaryFolder { folder in
            try read([folder.write("a.jsonl", line)], .init(textField: field)).documents.first?.text
        }
    }

    @Test(arguments: [
        (#"{"text": "plain"}"#, "plain"),
        (#"{"id": 7, "text":"after", "x": null}"#, "after"),
        (#" { "a" : [ 1 , -2.5e+3, {"text": "inner"}, [] , {} ] , "text" : "outer" } "#, "outer"),
        (#"{"text": "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude42\u20AC"}"#, "\"\\/\u{8}\u{c}\n\r\té🙂€"),
        (#"{"te\u0078t": "escaped name"}"#, "escaped name"),
        (#"{"text": "first", "text": "last"}"#, "last"),
        ("{\"text\": \"raw é 🙂 \u{2028}\"}", "raw é 🙂 \u{2028}"),
        ("{\"text\": \"windows\"}\r\n", "windows"),
    ])
    func textIsTakenFromItsField(line: String, expected: String) throws {
        #expect(try text(line) == expected)
    }

    @Test func theFieldCanBeNamed() throws {
        #expect(try text(#"{"text": "a", "content": "b"}"#, field: "content") == "b")
    }

    /// Foundation's parser is the independent reference for what is JSON and what is not.
    @Test func agreesWithFoundation() {
        let fragments = [
            "{", "}", "[", "]", ":", ",", "\"text\"", "\"a\"", "\"\\u00e9\"", "1", "-0.5e2", "01", "tru", "true",
            "null",
            " ", "\"", "\\",
        ]
        var generator = SplitMix64(seed: 11)
        var accepted = 0
        for _ in 0..<3_000 {
            var line = "{\"text\": \"x\""
            for _ in 0..<Int.random(in: 0..<6, using: &generator) {
                line += fragments.randomElement(using: &generator)!
            }
            if Bool.random(using: &generator) { line += "}" }
            // Foundation lets a comma stand before a bracket, and keeps the first of two equal names.
            let dense = line.filter { $0 != " " }
            if dense.contains(",}") || dense.contains(",]") { continue }
            if line.components(separatedBy: "\"text\"").count > 2 { continue }
            let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let ours = Array(line.utf8).withUnsafeBufferPointer { try? JSONLine.text(of: "text", in: $0) }
            #expect((ours != nil) == (object != nil), "\(line)")
            if ours != nil { accepted += 1 }
        }
        #expect(accepted > 100)
    }

    @Test(arguments: [
        (#"{"text": "a""#, "column 13"),
        (#"{"text": 5}"#, "expected a string in field 'text' found '5'"),
        (#"["text"]"#, "expected an object"),
        (#"{"body": "x", "id": 1}"#, "no field 'text': it has 'body', 'id'"),
        ("{}", "it has none"),
        (#"{"text": "a"} x"#, "expected the end of the line found 'x'"),
        (#"{"text": "a\q"}"#, "unknown escape: found 'q'"),
        (#"{"text": "a\u12"}"#, "hexadecimal"),
        ("{\"text\": \"a\tb\"}", "control character"),
        (#"{"text": "a","b": \#(String(repeating: "[", count: 5000))}"#, "nested deeper"),
    ])
    func badLinesAreNamed(line: String, expected: String) throws {
        try withTemporaryFolder { folder in
            let path = try folder.write("bad.jsonl", "{\"text\": \"fine\"}\n\n" + line + "\n")
            let text = message { _ = try read([path]) }
            #expect(text.contains(path) && text.contains("line 3") && text.contains(expected), "\(text)")
        }
    }
}
