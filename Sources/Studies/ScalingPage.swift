import Foundation
import JobConfiguration
import Numerics
import Observability

/// A scaling study as a reader sees it: one page that needs no other file, beside it the same as a Markdown document with
/// its pictures, and the numbers as JSON.
package struct ScalingPage: Sendable {
    package var points: [ScalingPoint]
    package var job: JobConfiguration
    package var command: String
    /// Steps that were measured in each run.
    package var steps: Int
    /// Nil where ranks ran on the machine itself.
    package var cluster: Cluster?
    package var machine: StudyMachine

    package struct Cluster: Hashable, Sendable {
        /// As `apus cluster list` shows it.
        package var listing: String
        /// Whether every host has processor time of its own.
        package var limitsProcessors: Bool

        package init(listing: String, limitsProcessors: Bool) {
            self.listing = listing
            self.limitsProcessors = limitsProcessors
        }
    }

    package init(
        points: [ScalingPoint], job: JobConfiguration, command: String, steps: Int, cluster: Cluster?,
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
        return point.tokensPerSecond / point.processors / (first.tokensPerSecond / first.processors)
    }

    /// A line on the way.
    package static func line(_ point: ScalingPoint) -> String {
        let condition = point.bandwidth.map { " at \($0)" } ?? ""
        return "\(point.layout)\(condition): \(Quantity.count(point.tokensPerSecond)) tokens/s, "
            + "\(Quantity.percent(point.exposedShare)) of a step in exposed communication, "
            + "\(Quantity.fixed(point.peakMiB, 0)) MiB a rank"
    }

    /// Writes `index.html`, `scaling.md` with its pictures, and `results.json` to a folder, and returns the page's path.
    func write(to folder: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try encoder.encode(points).write(to: URL(filePath: folder + "/results.json"), options: .atomic)
            for plot in plots {
                try (plot.picture.svg + "\n").write(
                    toFile: "\(folder)/\(plot.fileName)", atomically: true, encoding: .utf8)
            }
            try markdown.write(toFile: folder + "/scaling.md", atomically: true, encoding: .utf8)
            try html.write(toFile: folder + "/index.html", atomically: true, encoding: .utf8)
        } catch {
            throw ApusError("writing the study to \(folder)", error.localizedDescription, kind: .runtime)
        }
        return folder + "/index.html"
    }

    // MARK: The content

    package var title: String { "Scaling of the job '\(job.name)'" }

    var paragraphs: [String] {
        let model = job.model
        var paragraphs = [
            "\(Quantity.count(model.parameterCount)) parameters (\(model.architecture.rawValue), \(model.layers) layers, "
                + "\(model.hiddenSize) wide, \(model.heads) heads), \(Quantity.count(job.tokensPerStep)) tokens a step "
                + "whatever the layout. Each figure is the median of \(steps) steps. Measured on \(machine.date) on "
                + "\(machine.cores) cores of \(machine.processor).",
            losses,
        ]
        if let cluster {
            let shared =
                "The hosts are emulated on one machine and share its \(machine.cores) cores, whatever their number; "
                + "sending and receiving takes processor time, too. "
            paragraphs.append(
                cluster.limitsProcessors
                    ? shared
                        + "Every host has a share of them that the kernel keeps it to, so that a host computes at the "
                        + "same speed whether it is alone or one of many, as hosts of their own would. A bandwidth is to "
                        + "be seen in proportion to that speed."
                    : shared + "More hosts than cores therefore cannot compute faster here; on machines of their own "
                        + "they would. Give the hosts `processors` in the cluster's document, together no more than "
                        + "the machine has, to compare at equal speed.")
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

    var legend: String {
        "Efficiency: tokens a second and processor, over those of the first layout at the same bandwidth; 100% means that "
            + "dividing the work cost nothing. Exposed communication: the part of the steps that the training threads "
            + "spent in collectives and messages, in transfer or waiting for others (in a pipeline its bubble, too), the "
            + "mean of all ranks; what goes on beside computation is not counted. Memory: the largest resident memory of "
            + "any rank."
    }

    /// The heads of the table's columns, and its rows.
    var table: (heads: [String], rows: [[String]]) {
        let heads = [
            "layout", "bandwidth", "ranks × threads", "processors", "ms a step", "tokens/s", "efficiency",
            "exposed communication", "memory a rank",
        ]
        let rows = points.map { point in
            [
                point.layout, point.bandwidth ?? "as it is", "\(point.ranks) × \(point.threadsPerRank)",
                Quantity.fixed(point.processors, 1), Quantity.fixed(point.medianStepSeconds * 1e3, 1),
                Quantity.count(point.tokensPerSecond), Quantity.percent(efficiency(point)),
                Quantity.percent(point.exposedShare), "\(Quantity.fixed(point.peakMiB, 0)) MiB",
            ]
        }
        return (heads, rows)
    }

    struct Plot {
        var fileName: String
        var picture: LinePlot
    }

    var plots: [Plot] {
        let ranks = Set(points.map(\.ranks)).sorted()
        func plot(_ name: String, _ title: String, _ value: (ScalingPoint) -> Double) -> Plot {
            let series = lines.map { line in
                var values: [Int: Double] = [:]
                for point in line.points { values[ranks.firstIndex(of: point.ranks)!] = value(point) }
                return LinePlot.Series(name: line.name, color: line.color, dash: line.dash, values: values)
            }
            return Plot(
                fileName: name + ".svg",
                picture: LinePlot(
                    title: title, placesTitle: "ranks", places: ranks.map(String.init), series: series))
        }
        return [
            plot("throughput", "Throughput: tokens a second") { $0.tokensPerSecond },
            plot("efficiency", "Efficiency: % of the first layout") { efficiency($0) * 100 },
            plot("communication", "Exposed communication: % of a step") { $0.exposedShare * 100 },
            plot("memory", "Memory: MiB of the largest rank") { $0.peakMiB },
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
