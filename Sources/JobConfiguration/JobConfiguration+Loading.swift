import Foundation
import Models
import Numerics
import Yams

extension JobConfiguration {
    /// Counts the tokens of a tokenizer file.
    public typealias VocabularySize = (_ tokenizerPath: String) throws -> Int

    /// Reads a job file.
    ///
    /// - Parameters:
    ///   - overrides: `a.b=c` each: a dotted key and a YAML value, put in place before the document is decoded.
    ///   - vocabularySize: called for `vocabularySize: auto`, and to check the tokenizer against the model. Without it
    ///     `auto` is refused.
    /// - Throws: `JobError` with everything that is wrong with the job.
    public static func load(
        path: String, overrides: [String] = [], vocabularySize: VocabularySize? = nil
    ) throws -> JobConfiguration {
        try load(yaml: try readText(path), name: path, overrides: overrides, vocabularySize: vocabularySize)
    }

    /// Decodes a job document; `name` stands for it in messages, and its folder is where presets are looked for first.
    public static func load(
        yaml: String, name: String, overrides: [String] = [], vocabularySize: VocabularySize? = nil
    ) throws -> JobConfiguration {
        let (parsed, overrideProblems) = parse(overrides)
        let context = DecodingContext(name: name, overrides: parsed)
        context.report(overrideProblems)
        var root = try composeYAML(yaml, name: name) ?? Node.mapping(Node.Mapping([]))
        for override in parsed {
            do throws(JobError) { root = try override.applied(to: root) } catch { context.report(error.problems) }
        }
        var job = JobConfiguration(
            name: "", model: .undecided, data: DataConfiguration(train: []),
            training: TrainingConfiguration(steps: 0, globalBatchSize: 0, microBatchSize: 0, sequenceLength: 0),
            output: "")
        decode(root, into: &job, at: "", context)
        reportMissingKeys(at: "", context, mark: context.sectionMark(root))
        if !context.isGiven("training.sequenceLength") { job.training.sequenceLength = job.model.contextLength }
        if !context.isGiven("output") { job.output = "runs/\(job.name)" }
        if let vocabularySize {
            job.applyTokenizer(vocabularySize, context)
        } else if context.takesVocabularyFromTokenizer {
            context.invalidate("model.vocabularySize")
            context.reportConflict(
                ["model.vocabularySize"],
                "model.vocabularySize is 'auto', and there is nothing here to read the tokenizer",
                remedy: "give a number")
        }
        job.reportConflicts(context)
        guard context.problems.isEmpty else { throw JobError(problems: context.problems) }
        return job
    }

    private static func parse(_ arguments: [String]) -> (overrides: [Override], problems: [JobProblem]) {
        var overrides: [Override] = []
        var problems: [JobProblem] = []
        for argument in arguments {
            do throws(JobError) { overrides.append(try Override(argument)) } catch { problems += error.problems }
        }
        return (overrides, problems)
    }

    /// Takes the vocabulary's size from the tokenizer, or checks that the model has a row for each of its tokens.
    private mutating func applyTokenizer(_ vocabularySize: VocabularySize, _ context: DecodingContext) {
        let path = "model.vocabularySize"
        guard let tokenizer = data.tokenizer else {
            guard context.takesVocabularyFromTokenizer else { return }
            context.invalidate(path)
            return context.reportConflict(
                [path], "\(path) is 'auto', but there is no data.tokenizer to take it from",
                remedy: "set data.tokenizer, or give a number")
        }
        do {
            let count = try vocabularySize(tokenizer)
            if context.takesVocabularyFromTokenizer {
                model.vocabularySize = count
            } else if context.isValid(path), count > model.vocabularySize {
                context.reportConflict(
                    [path, "data.tokenizer"],
                    "\(path) is \(model.vocabularySize), but \(tokenizer) has \(count) tokens",
                    remedy: "set \(path) to 'auto' or to at least \(count)")
            }
        } catch {
            context.invalidate(path)
            let failure = error as? ApusError
            context.reportConflict(
                ["data.tokenizer"],
                "data.tokenizer cannot be used: " + (failure.map { "\($0.operation): \($0.problem)" } ?? "\(error)"),
                remedy: FileManager.default.fileExists(atPath: tokenizer)
                    ? failure?.remedy ?? "make another" : "make it with: apus tokenizer train")
        }
    }
}
