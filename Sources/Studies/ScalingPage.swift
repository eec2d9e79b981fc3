import Foundation
import JobConfiguration
import Numerics
import Observability

/// A scaling study as a reader sees it: one page that needs no other file, and the numbers as JSON beside it.
package struct ScalingPage: Sendable {
    package var points: [ScalingPoint]
    package var job: JobConfiguration
    package var command: String
    /// Steps that were measured in each run.
    package var steps: Int
    /// The cluster as `apus cluster list` shows it; nil where ranks ran on the machine itself.
    package var cluster: String?
    package var machine: StudyMachine

    package init(
        points: [ScalingPoint], job: JobConfiguration, command: String, steps: Int, cluster: String?,
        machine: StudyMachine
    ) {
        self.points = points
        self.job = job
        self.command = command
        self.steps = steps
        self.cluster = cluster
        self.machine = machine
    }

    /// Tokens a second and processor, over those of the first layout under the same condition.
    package func efficiency(_ point: ScalingPoint) -> Double {
        let first = points.first { $0.bandwidth == point.bandwidth } ?? point
        func perProcessor(_ point: ScalingPoint) -> Double {
            point.tokensPerSecond / point.processors(of: machine.cores)
        }
        return perProcessor(point) / perProcessor(first)
    }

    /// A line on the way.
    package static func line(_ point: ScalingPoint) -> String {
        let condition = point.bandwidth.map { " at \($0)" } ?? ""
        return "\(point.layout)\(condition): \(Quantity.count(point.tokensPerSecond)) tokens/s, "
            + "\(Quantity.percent(point.exposedShare)) of a step in exposed communication, "
            + "\(Quantity.fixed(point.peakMiB, 0)) MiB a rank"
    }

    /// Writes `index.html` and `results.json` to a folder, and returns the page's path.
    func write(to folder: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try encoder.encode(points).write(to: URL(filePath: folder + "/results.json"), options: .atomic)
            try html.write(toFile: folder + "/index.html", atomically: true, encoding: .utf8)
        } catch {
            throw ApusError("writing the study to \(folder)", error.localizedDescription, kind: .runtime)
        }
        return folder + "/index.html"
    }

    // MARK: The page

    package var html: String {
        let plots = plots.map { "<figure>\($0.svg)</figure>" }.joined(separator: "\n")
        let title = "Scaling of the job '\(job.name)'"
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>\(title.escapedForXML)</title>
            <style>
            body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #222; max-width: 1160px; margin: 2em auto; \
            padding: 0 1em; }
            table { border-collapse: collapse; margin: 1.5em 0; }
            th, td { padding: 0.25em 0.9em; text-align: right; border-bottom: 1px solid #e4e4e4; }
            th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
            figure { display: inline-block; margin: 0; }
            pre { background: #f4f4f4; padding: 0.8em; overflow-x: auto; }
            </style>
            </head>
            <body>
            <h1>\(title.escapedForXML)</h1>
            \(paragraphs.map { "<p>\($0.escapedForXML)</p>" }.joined(separator: "\n"))
            <pre>\(command.escapedForXML)</pre>
            \(cluster.map { "<pre>\($0.escapedForPreformatted)</pre>" } ?? "")
            \(plots)
            \(table)
            <p>\(legend.escapedForXML)</p>
            </body>
            </html>

            """
    }

    private var paragraphs: [String] {
        let model = job.model
        var paragraphs = [
            "\(Quantity.count(model.parameterCount)) parameters (\(model.architecture.rawValue), \(model.layers) layers, "
                + "\(model.hiddenSize) wide, \(model.heads) heads), \(Quantity.count(job.tokensPerStep)) tokens a step "
                + "whatever the layout. Each figure is the median of \(steps) steps. Measured on \(machine.date) on "
                + "\(machine.cores) cores of \(machine.processor).",
            losses,
        ]
        if cluster != nil {
            paragraphs.append(
                "The hosts are emulated on one machine: they share its \(machine.cores) cores, whatever their number, and "
                    + "sending and receiving takes processor time from them all. More hosts therefore cannot compute "
                    + "faster here; on machines of their own they would. What the page shows is what dividing the "
                    + "same work costs: efficiency is tokens a second and core in use, over those of the first layout, "
                    + "so that 100% means that communication cost nothing.")
        }
        return paragraphs
    }

    /// Whether all layouts trained the same model, which a wrong one would not.
    private var losses: String {
        let losses = points.map(\.loss)
        guard let lowest = losses.min(), let highest = losses.max() else { return "Nothing was measured." }
        return
            "The loss of the last step lies between \(Quantity.loss(lowest)) and \(Quantity.loss(highest)) in all runs."
    }

    private var legend: String {
        "Efficiency: tokens a second and core in use, over those of the first layout at the same bandwidth. Exposed "
            + "communication: the part of the steps that rank 0's training thread spent in collectives, in transfer or "
            + "waiting for others; what goes on beside computation is not counted. Memory: the largest resident memory "
            + "of any rank."
    }

    private var table: String {
        let heads = [
            "layout", "bandwidth", "ranks × threads", "ms a step", "tokens/s", "efficiency", "exposed communication",
            "memory a rank",
        ]
        let rows = points.map { point in
            [
                point.layout, point.bandwidth ?? "as it is", "\(point.ranks) × \(point.threadsPerRank)",
                Quantity.fixed(point.medianStepSeconds * 1e3, 1), Quantity.count(point.tokensPerSecond),
                Quantity.percent(efficiency(point)), Quantity.percent(point.exposedShare),
                "\(Quantity.fixed(point.peakMiB, 0)) MiB",
            ]
        }
        func row(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\($0.escapedForXML)</\(tag)>" }.joined() + "</tr>"
        }
        return "<table>\n\(row(heads, "th"))\n\(rows.map { row($0, "td") }.joined(separator: "\n"))\n</table>"
    }

    private var plots: [LinePlot] {
        let ranks = Set(points.map(\.ranks)).sorted()
        func plot(_ title: String, _ value: (ScalingPoint) -> Double) -> LinePlot {
            LinePlot(
                title: title, placesTitle: "ranks", places: ranks.map(String.init),
                series: lines.map { line in
                    var values: [Int: Double] = [:]
                    for point in line.points { values[ranks.firstIndex(of: point.ranks)!] = value(point) }
                    return LinePlot.Series(name: line.name, color: line.color, dash: line.dash, values: values)
                })
        }
        return [
            plot("Throughput: tokens a second") { $0.tokensPerSecond },
            plot("Efficiency: % of the first layout") { efficiency($0) * 100 },
            plot("Exposed communication: % of a step") { $0.exposedShare * 100 },
            plot("Memory: MiB of the largest rank") { $0.peakMiB },
        ]
    }

    private struct Line {
        var name: String
        var color: Int
        var dash: Int
        var points: [ScalingPoint]
    }

    /// A line for each family of layouts and each bandwidth; a single rank belongs to every family.
    private var lines: [Line] {
        var families: [String] = []
        var bandwidths: [String?] = []
        for point in points {
            if !point.family.isEmpty, !families.contains(point.family) { families.append(point.family) }
            if !bandwidths.contains(point.bandwidth) { bandwidths.append(point.bandwidth) }
        }
        if families.isEmpty { families = [""] }
        return families.enumerated().flatMap { color, family in
            bandwidths.enumerated().map { dash, bandwidth in
                let words = [family.isEmpty ? "1 rank" : family, bandwidth].compactMap { $0 }
                return Line(
                    name: words.joined(separator: ", "), color: color, dash: dash,
                    points: points.filter {
                        $0.bandwidth == bandwidth && ($0.family == family || $0.family.isEmpty)
                    })
            }
        }
    }
}

extension String {
    /// As `escapedForXML`, with its line breaks kept.
    fileprivate var escapedForPreformatted: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { String($0).escapedForXML }.joined(
            separator: "\n")
    }
}
