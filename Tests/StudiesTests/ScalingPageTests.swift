import Foundation
import JobConfiguration
import Numerics
import Studies
import Testing

@Suite struct ScalingPageTests {
    private static func point(
        _ layout: String, _ family: String, ranks: Int, tokensPerSecond: Double, bandwidth: String? = nil,
        threads: Int = 1, processors: Double? = nil
    ) -> ScalingPoint {
        ScalingPoint(
            layout: layout, family: family, bandwidth: bandwidth, ranks: ranks, threadsPerRank: threads,
            processors: processors ?? Double(ranks * threads), medianStepSeconds: 0.5, tokensPerSecond: tokensPerSecond,
            exposedShare: 0.25, peakMiB: 100, loss: 2)
    }

    private static func page(_ points: [ScalingPoint], limitsProcessors: Bool = false) throws -> ScalingPage {
        let job = try JobConfiguration.load(
            yaml: """
                {name: 'a<b', model: {preset: gpt2-tiny}, data: {train: t},
                training: {steps: 1, globalBatchSize: 4, microBatchSize: 1}}
                """, name: "configs/job.yaml")
        return ScalingPage(
            points: points, job: job, command: "apus study scaling job.yaml", steps: 10,
            cluster: .init(listing: "c: 2 hosts", limitsProcessors: limitsProcessors),
            machine: StudyMachine(processor: "X & Y", cores: 4, date: "2026-01-01"))
    }

    /// Eight ranks cannot use more than the four cores that there are; a layout is compared at its own bandwidth.
    @Test func efficiencyCountsProcessorsInUse() throws {
        let points = [
            Self.point("1 rank", "", ranks: 1, tokensPerSecond: 100),
            Self.point("data 2", "data", ranks: 2, tokensPerSecond: 150),
            Self.point("data 8", "data", ranks: 8, tokensPerSecond: 200, processors: 4),
            Self.point("1 rank", "", ranks: 1, tokensPerSecond: 10, bandwidth: "1gbit", threads: 4),
            Self.point("tensor 2", "tensor", ranks: 2, tokensPerSecond: 5, bandwidth: "1gbit", threads: 2),
        ]
        let page = try Self.page(points)
        #expect(points.map(page.efficiency) == [1, 0.75, 0.5, 1, 0.5])
    }

    @Test func thePageIsWholeAndEscaped() throws {
        let html = try Self.page([
            Self.point("1 rank", "", ranks: 1, tokensPerSecond: 100, bandwidth: "1gbit"),
            Self.point("data 2", "data", ranks: 2, tokensPerSecond: 150, bandwidth: "1gbit"),
        ]).html
        #expect(html.contains("a&lt;b") && !html.contains("a<b"))
        #expect(html.contains("4 cores of X &amp; Y"))
        #expect(html.components(separatedBy: "<svg").count == 5)
        #expect(
            html.contains(
                "<td>data 2</td><td>1gbit</td><td>2 × 1</td><td>2.0</td><td>500.0</td><td>150</td><td>75%</td>"))
        #expect(html.contains("data, 1gbit"))
        // Nothing is loaded from elsewhere.
        #expect(!html.contains("src=") && !html.contains("href="))
        #expect(html.contains("share its 4 cores") && html.contains("cannot compute faster here"))
    }

    @Test func theMarkdownHasTheSameTableAndNamesItsPictures() throws {
        let markdown = try Self.page(
            [
                Self.point("1 rank", "", ranks: 1, tokensPerSecond: 100, processors: 0.2),
                Self.point("data 2", "data", ranks: 2, tokensPerSecond: 150, processors: 0.4),
            ], limitsProcessors: true
        ).markdown
        #expect(markdown.contains("| data 2 | as it is | 2 × 1 | 0.4 | 500.0 | 150 | 75% | 25% | 100 MiB |\n"))
        #expect(markdown.contains("![Efficiency: % of the first layout](efficiency.svg)"))
        #expect(markdown.contains("computes at the same speed whether it is alone"))
    }

    @Test func exposedCommunicationCountsNoMomentTwice() throws {
        let trace = """
            {"traceEvents":[
            {"ph":"X","tid":0,"ts":0,"dur":100,"cat":"step"},{"ph":"X","tid":0,"ts":100,"dur":100,"cat":"step"},
            {"ph":"X","tid":0,"ts":10,"dur":20,"cat":"collective"},{"ph":"X","tid":0,"ts":15,"dur":5,"cat":"collective"},
            {"ph":"X","tid":1,"ts":50,"dur":40,"cat":"collective"},{"ph":"X","tid":0,"ts":300,"dur":9,"cat":"collective"},
            {"ph":"M","pid":0},{"ph":"X","tid":0,"ts":150,"dur":30,"cat":"collective"}]}
            """
        #expect(try ExposedCommunication.share(trace: Data(trace.utf8), operation: "t") == 0.25)
        for broken in ["", "{}", "{\"traceEvents\":[]}"] {
            #expect(throws: ApusError.self) {
                try ExposedCommunication.share(trace: Data(broken.utf8), operation: "t")
            }
        }
    }
}
