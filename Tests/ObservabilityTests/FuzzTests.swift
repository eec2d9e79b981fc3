import Foundation
import Observability
import TestSupport
import Testing

/// Any line of a worker is an event or words, and any file is a history, and can be shown.
@Suite struct FuzzTests {
    private static let words = [
        "\u{1e}", "\"kind\":", "\"step\"", "\"NaN\"", "\"-Infinity\"", "null", "{", "}", ",", "\\u001e", "\0",
    ]

    @Test func anyLineIsAnEventOrWords() throws {
        let samples = RunEvent.samples.map { Array($0.coordinatedLine.utf8) }
        try fuzz("event", samples: samples, words: Self.words) {
            let parsed = RunEvent.parse(outputLine: String(decoding: $0, as: UTF8.self))
            guard let event = parsed.event else { return }
            for width in [nil, 80, 1] {
                var renderer = ProgressRenderer(terminalWidth: width)
                _ = renderer.render(event) + renderer.render(words: parsed.words ?? "")
            }
            // Numbers that JSON lacks are not equal to themselves, so that the lines are compared.
            #expect(RunEvent.parse(outputLine: event.coordinatedLine).event?.coordinatedLine == event.coordinatedLine)
        }
    }

    @Test func anyFileIsAHistory() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("metrics.jsonl").path
            let lines = RunEvent.samples.map { event in
                #"{"time":1.5,"# + event.coordinatedLine.dropFirst(2) + "\n"
            }
            var count = 0
            let taken = try fuzz("metrics", samples: [Array(lines.joined().utf8)], words: Self.words + ["\n"]) {
                try replaceFile(path, $0)
                let curve = try LossCurve(metricsPath: path, title: "any")
                _ = curve.svg()
                // Cutting a file off waits for the disk, which is too long for each of thousands.
                count += 1
                guard count % 50 == 1 else { return }
                let log = try MetricsLog(path: path, resumedStep: 51)
                try log.append(.samples[1])
                #expect(try MetricsLog.events(at: path).last == .samples[1])
            }
            #expect(taken > 0)
        }
    }
}
