import ArgumentParser
import JobConfiguration
import Tokenization

/// The job file and its overrides, as every subcommand that runs a job takes them.
struct JobOptions: ParsableArguments {
    @Argument(help: "The job file (YAML).", completion: .file(extensions: ["yaml", "yml"]))
    var job: String

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Set a value of the job, for example training.steps=500. May be repeated.", valueName: "a.b=c"))
    var overrides: [String] = []

    /// The decoded job.
    ///
    /// - Throws: `JobError` with everything that is wrong with it; the process then ends with `ExitStatus.badInput`.
    func load() throws -> JobConfiguration { try Self.load(job, overrides: overrides) }

    static func load(_ path: String, overrides: [String]) throws -> JobConfiguration {
        try JobConfiguration.load(path: path, overrides: overrides) { try TokenizerFile.load($0).vocabularySize }
    }
}
