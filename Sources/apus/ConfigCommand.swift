import ArgumentParser
import JobConfiguration
import Models

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Print and check jobs, and list model presets.",
        subcommands: [Show.self, Check.self, Presets.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the resolved job: presets, defaults and overrides in place.")

        @OptionGroup var options: JobOptions

        func run() throws {
            let job = try options.load()
            print(job.yaml, terminator: "")
            print(summary(of: job).map { "# \($0)" }.joined(separator: "\n"))
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Check a job and say what it amounts to.")

        @OptionGroup var options: JobOptions

        func run() throws {
            let job = try options.load()
            print("\(options.job): ok")
            print(summary(of: job).map { "  \($0)" }.joined(separator: "\n"))
        }
    }

    struct Presets: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the models that a job can name as its preset.")

        func run() throws {
            let header = ["name", "parameters", "layers", "width", "heads", "context", "vocabulary"]
            let models = try ModelPresets.names().map { (name: $0, model: try ModelPresets.load($0)) }
            // Families together, each from small to large.
            let sorted = models.sorted {
                ($0.name.prefix { $0 != "-" }, $0.model.parameterCount)
                    < ($1.name.prefix { $0 != "-" }, $1.model.parameterCount)
            }
            let rows = sorted.map { name, model in
                let heads =
                    model.keyValueHeads == model.heads ? "\(model.heads)" : "\(model.heads)/\(model.keyValueHeads)"
                return [
                    name, grouped(model.parameterCount), grouped(model.layers), grouped(model.hiddenSize), heads,
                    grouped(model.contextLength), grouped(model.vocabularySize),
                ]
            }
            print(table([header] + rows))
        }
    }
}

/// What a job amounts to, in lines.
private func summary(of job: JobConfiguration) -> [String] {
    let tokens = Double(job.tokensPerStep) * Double(job.training.steps)
    let ranks =
        job.fillsRanks
        ? "as many as are started, in groups of \(job.parallelism.replicaSize)"
        : job.parallelism.describedAxes.map { "\(job.parallelism[$0]) (\($0.rawValue))" }.joined(separator: " × ")
            + " = \(job.parallelism.size)"
    return [
        "parameters: \(grouped(job.model.parameterCount))",
        "ranks: \(ranks)",
        "tokens per step: \(grouped(job.tokensPerStep))",
        "tokens in all: \(Int(exactly: tokens).map(grouped) ?? "\(tokens)")",
    ]
}

/// Columns aligned under their headers: the first to the left, numbers to the right.
private func table(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
        zip(row, widths).enumerated().map { column, cell in
            let padding = String(repeating: " ", count: cell.1 - cell.0.count)
            return column == 0 ? cell.0 + padding : padding + cell.0
        }
        .joined(separator: "  ")
    }
    .joined(separator: "\n")
}
