import Foundation
import TestSupport
import Testing

@Suite struct StudyCommandTests {
    @Test func twoLayoutsBecomeAPage() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2)
            let result = try await workspace.apus(
                ["study", "scaling", job, "--layouts", "data=1", "tensor=2", "--steps", "5"])
            #expect(result.standardOutput.contains("tensor 2: "), "\(result)")
            let folder = workspace.folder.appendingPathComponent("runs/job-scaling")
            let page = try String(contentsOf: folder.appendingPathComponent("index.html"), encoding: .utf8)
            #expect(page.contains("<td>tensor 2</td><td>as it is</td>"))
            let markdown = try String(contentsOf: folder.appendingPathComponent("scaling.md"), encoding: .utf8)
            #expect(markdown.contains("| tensor 2 | as it is | 2 × "))
            let picture = folder.appendingPathComponent("efficiency.svg")
            #expect(try String(contentsOf: picture, encoding: .utf8).contains("</svg>"))
            let results = try JSONSerialization.jsonObject(
                with: Data(contentsOf: folder.appendingPathComponent("results.json")))
            let points = try #require(results as? [[String: Any]])
            #expect(points.map { $0["ranks"] as? Int } == [1, 2])
            let losses = points.compactMap { $0["loss"] as? Double }
            #expect(abs(losses[0] - losses[1]) < 1e-4)
            #expect(points.compactMap { $0["exposedShare"] as? Double }.allSatisfy { 0...1 ~= $0 })
            let again = try await run(
                "apus", ["study", "scaling", job, "--layouts", "data=1"], workingDirectory: workspace.folder)
            #expect(again.exitCode == 65, "\(again)")
            #expect(again.standardError.contains("runs/job-scaling exists already"), "\(again)")
        }
    }

    @Test func whatCannotRunIsNamedBeforeAnythingRuns() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2)
            let cases = [
                (["--layouts", "data=1", "data=3"], "planning the layout data 3: "),
                (["--layouts", "depth=2"], "planning the layout 1 rank (depth 2): "),
                (["--layouts", "data=two"], "expected a degree from 1 to 4096 for 'data', found 'two'"),
                (["--layouts", "data=1", "--steps", "3"], "3 steps are too few"),
                (["--layouts", "data=1", "--bandwidths", "1gbit"], "and none is named"),
                (["--layouts", "data=1", "--bandwidths", "fast"], "The value 'fast' is invalid"),
                (["--layouts", "data=1", "--cluster", "no-such-cluster"], "looking for the cluster 'no-such-cluster'"),
                (["--layouts", "tensor=3"], "planning the layout tensor 3: "),
            ]
            for (arguments, message) in cases {
                let result = try await run(
                    "apus", ["study", "scaling", job] + arguments, workingDirectory: workspace.folder)
                #expect(result.exitCode == 65, "\(result)")
                #expect(result.standardError.contains(message), "\(result)")
            }
            #expect(!FileManager.default.fileExists(atPath: workspace.folder.path + "/runs/job-scaling"))
        }
    }
}
