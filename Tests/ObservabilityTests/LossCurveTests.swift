import Foundation
import FoundationXML
import Observability
import TestSupport
import Testing

@Suite struct LossCurveTests {
    private func curve(_ losses: [Double], validation: [(Int, Double)] = [], title: String = "tiny") -> LossCurve {
        LossCurve(
            title: title,
            events: losses.enumerated().map { .step(.sample(step: $0.offset + 1, loss: $0.element)) }
                + validation.map { .evaluation(EvaluationMetrics(step: $0.0, loss: $0.1, perplexity: 1, seconds: 1)) })
    }

    private static let falling = (1...200).map { 3 + 5 * exp(-Double($0) / 40) }

    @Test(arguments: [
        [], [3.5], [3, 3, 3], [0, 0], [-1, -2], [.nan], [.infinity, 2, .nan, 1], [1e30, 1], [1e-30, 1e30],
        [1e300, -1e300],
        [.leastNonzeroMagnitude, 1], [4, 3.9999999999], falling,
        Array(repeating: 1, count: 1) + Array(repeating: 1e6, count: 3),
    ])
    func everyCurveIsAWellFormedPicture(_ losses: [Double]) throws {
        for scale in [LossCurve.Scale.automatic, .linear, .logarithmic] {
            var curve = curve(losses, validation: [(2, losses.last ?? 1)])
            curve.scale = scale
            let picture = try Picture(curve.svg())
            #expect(picture.coordinates.allSatisfy { $0.x.isFinite && $0.y.isFinite })
            #expect(picture.coordinates.allSatisfy { (0...800).contains($0.x) && (0...480).contains($0.y) })
        }
    }

    @Test func theCurveFallsFromLeftToRight() throws {
        let picture = try Picture(curve(Self.falling, validation: [(100, 3.6), (200, 3.2)]).svg())
        #expect(picture.polylines.count == 3)
        let smoothed = picture.polylines[1]
        #expect(zip(smoothed, smoothed.dropFirst()).allSatisfy { $0.x <= $1.x })
        #expect(try #require(smoothed.first).y < #require(smoothed.last).y)
        #expect(picture.circleCount == 2)
        #expect(picture.texts.contains { $0.hasPrefix("smoothed: 3.") })
        #expect(picture.texts.contains("validation: 3.2000"))
    }

    @Test func ticksAreRound() throws {
        let texts = try Picture(curve(Self.falling).svg()).texts
        for label in ["3", "4", "5", "6", "7", "8", "50", "100", "150", "200"] { #expect(texts.contains(label)) }
    }

    @Test func aWideRangeIsDrawnLogarithmically() throws {
        let texts = try Picture(curve([0.015, 1, 90]).svg()).texts
        #expect(texts.contains("loss (logarithmic)"))
        for label in ["0.01", "0.1", "1", "10", "100"] { #expect(texts.contains(label)) }
        #expect(try Picture(curve([-1, 90]).svg()).texts.contains("loss"))
    }

    @Test func lossesThatCannotBeDrawnAreTold() throws {
        #expect(try Picture(curve([3, .nan, 2, .infinity]).svg()).texts.contains("2 not finite, left out"))
        #expect(try Picture(curve([.nan]).svg()).texts.contains("no finite loss in 1 values"))
        #expect(try Picture(curve([]).svg()).texts.contains("no steps yet"))
    }

    @Test func aTitleCannotBreakThePicture() throws {
        let picture = try Picture(curve([1], title: "a <b> & \"c\" \u{1}\u{1b}[31m").svg())
        #expect(picture.texts.contains { $0.hasPrefix("a <b> & \"c\"") })
    }

    @Test func aLongRunIsThinnedAndKeepsItsSpike() throws {
        var losses = (0..<100_000).map { 3 + sin(Double($0)) * 0.1 }
        losses[54_321] = 6
        let svg = curve(losses).svg()
        #expect(svg.utf8.count < 100_000)
        let training = try Picture(svg).polylines[0]
        #expect(try #require(training.map(\.y).min()) < 100)
    }

    @Test func aRunsFolderGetsItsCurve() throws {
        try withTemporaryFolder { folder in
            var lines: [String] = []
            let reporter = try RunReporter(
                folder: folder.path, title: "tiny", resumedStep: 0, audience: .coordinator, write: { lines.append($0) })
            for step in 1...10 { reporter.report(.step(.sample(step: step, loss: 10 / Double(step)))) }
            #expect(!FileManager.default.fileExists(atPath: reporter.lossCurvePath))
            reporter.report(.checkpoint(CheckpointRecord(step: 10, path: "x", seconds: 1, bytes: 1)))
            let picture = try Picture(String(contentsOfFile: reporter.lossCurvePath, encoding: .utf8))
            #expect(picture.polylines.count == 2)
            #expect(lines.count == 11)
            #expect(lines.allSatisfy { $0.hasPrefix("\u{1e}{") && $0.hasSuffix("}\n") })
        }
    }
}

/// What an XML parser finds in an SVG.
private final class Picture: NSObject, XMLParserDelegate {
    private(set) var polylines: [[(x: Double, y: Double)]] = []
    private(set) var circleCount = 0
    private(set) var texts: [String] = []
    private(set) var coordinates: [(x: Double, y: Double)] = []
    private var text: String?

    init(_ svg: String) throws {
        super.init()
        let parser = XMLParser(data: Data(svg.utf8))
        parser.delegate = self
        guard parser.parse() else { throw parser.parserError ?? CocoaError(.fileReadCorruptFile) }
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        switch name {
        case "polyline":
            let points = (attributes["points"] ?? "").split(separator: " ").map { pair in
                let parts = pair.split(separator: ",").map { Double($0) ?? .nan }
                return (x: parts[0], y: parts.count == 2 ? parts[1] : .nan)
            }
            polylines.append(points)
            coordinates += points
        case "circle":
            circleCount += 1
            coordinates.append((Double(attributes["cx"] ?? "") ?? .nan, Double(attributes["cy"] ?? "") ?? .nan))
        case "line":
            coordinates.append((Double(attributes["x1"] ?? "") ?? .nan, Double(attributes["y1"] ?? "") ?? .nan))
            coordinates.append((Double(attributes["x2"] ?? "") ?? .nan, Double(attributes["y2"] ?? "") ?? .nan))
        case "text":
            text = ""
            coordinates.append((Double(attributes["x"] ?? "") ?? .nan, Double(attributes["y"] ?? "") ?? .nan))
        default: break
        }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text? += string }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        if name == "text", let text { texts.append(text) }
        text = nil
    }
}
