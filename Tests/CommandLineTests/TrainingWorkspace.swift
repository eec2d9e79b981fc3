import Checkpointing
import Foundation
import TestSupport
import Testing

/// A folder with a tiny corpus, prepared by the commands that a user would give, and jobs that train on it.
struct TrainingWorkspace {
    let folder: URL

    enum Architecture: String, CaseIterable {
        case gpt2, llama
    }

    /// Writes documents of made-up sentences, trains a tokenizer on them and makes shards.
    init(in folder: URL) async throws {
        self.folder = folder
        let corpus = folder.appendingPathComponent("corpus")
        try FileManager.default.createDirectory(at: corpus, withIntermediateDirectories: true)
        for document in 0..<24 {
            try Self.text(document: document).write(
                to: corpus.appendingPathComponent("\(document).txt"), atomically: true, encoding: .utf8)
        }
        try await apus(
            ["tokenizer", "train", "--input", "corpus", "--type", "byte", "--output", "tokenizer.json"])
        try await apus(
            [
                "prepare", "--input", "corpus", "--tokenizer", "tokenizer.json", "--output", "data",
                "--validation-fraction", "0.2",
            ])
    }

    /// Sentences whose next word depends on the one before, so that there is something to learn.
    private static func text(document: Int) -> String {
        let words = ["swift", "flies", "over", "quiet", "rooftops", "while", "rain", "falls", "on", "warm", "stone"]
        var word = document % words.count
        var text = ""
        for index in 0..<150 {
            text += words[word]
            text += index % 11 == 10 ? ". " : " "
            word = (word * 3 + index % 4 + 1) % words.count
        }
        return text + "\n"
    }

    /// Writes a job of a tiny model and returns its file's name.
    func writeJob(
        _ name: String, _ architecture: Architecture, data: Int = 1, tensor: Int = 1, steps: Int = 20,
        dropout: Double = 0, microBatchSize: Int = 2, extra: String = ""
    ) throws -> String {
        let yaml = """
            name: \(name)
            model:
              architecture: \(architecture.rawValue)
              layers: 2
              hiddenSize: 32
              heads: 4
              keyValueHeads: \(architecture == .llama ? 2 : 4)
              contextLength: 32
              vocabularySize: auto
              dropout: \(dropout)
            data:
              train: [data/train]
              validation: [data/validation]
              tokenizer: tokenizer.json
            training:
              steps: \(steps)
              globalBatchSize: 8
              microBatchSize: \(microBatchSize)
              logEvery: 1
            optimizer:
              learningRate: 3e-3
              schedule:
                kind: constant
                warmupSteps: 4
            parallelism:
              data: \(data)
              tensor: \(tensor)
            evaluation:
              every: 10
              samples: 6
            checkpoint:
              every: 10
              keepLast: 10
            \(extra)
            """
        let file = "\(name).yaml"
        try yaml.write(to: folder.appendingPathComponent(file), atomically: true, encoding: .utf8)
        return file
    }

    /// Runs `apus` in the folder and expects success.
    @discardableResult
    func apus(_ arguments: [String]) async throws -> ProgramResult {
        let result = try await run("apus", arguments, workingDirectory: folder)
        try #require(result.isSuccess, "\(result)")
        return result
    }

    /// Runs a job's workers under mpirun, or alone for one rank, and expects success.
    @discardableResult
    func work(
        _ job: String, ranks: Int, _ overrides: [String] = [], environment: [String: String] = [:]
    ) async throws -> ProgramResult {
        let result = try await attempt(job, ranks: ranks, overrides, environment: environment)
        try #require(result.isSuccess, "\(result)")
        return result
    }

    func attempt(
        _ job: String, ranks: Int, _ overrides: [String] = [], environment: [String: String] = [:]
    ) async throws -> ProgramResult {
        let arguments = ["worker", job] + overrides.flatMap { ["--set", $0] }
        if ranks == 1 { return try await run("apus", arguments, workingDirectory: folder) }
        return try await runDistributed(
            worldSize: ranks, program: "apus", arguments: arguments, environment: environment,
            workingDirectory: folder)
    }

    /// The events of a kind in a run's metrics.
    func metrics(_ run: String, kind: String) throws -> [[String: Any]] {
        let text = try String(
            contentsOf: folder.appendingPathComponent("runs/\(run)/metrics.jsonl"), encoding: .utf8)
        return try text.split(separator: "\n").compactMap { line in
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        }.filter { $0["kind"] as? String == kind }
    }

    /// Training losses by step.
    func losses(_ run: String) throws -> [Double] {
        try metrics(run, kind: "step").map { try #require($0["loss"] as? Double) }
    }

    func validationLosses(_ run: String) throws -> [Double] {
        try metrics(run, kind: "evaluation").map { try #require($0["loss"] as? Double) }
    }

    /// Every tensor of a checkpoint, whole.
    func tensors(_ run: String, step: Int? = nil) throws -> [String: [Float]] {
        let checkpoints = folder.appendingPathComponent("runs/\(run)/checkpoints").path
        let reader = try CheckpointReader(
            step.map { "\(checkpoints)/\(CheckpointFolder.name(step: $0))" } ?? checkpoints)
        var tensors: [String: [Float]] = [:]
        for (name, tensor) in reader.manifest.tensors {
            var values = [Float](repeating: .nan, count: tensor.shape.reduce(1, *))
            try values.withUnsafeMutableBufferPointer {
                try reader.read(
                    name, shape: tensor.shape, slice: tensor.shape.map { 0..<$0 }, into: $0.baseAddress!)
            }
            tensors[name] = values
        }
        return tensors
    }
}

/// Calls `body` with a workspace that is removed afterwards.
func withTrainingWorkspace(_ body: (TrainingWorkspace) async throws -> Void) async throws {
    try await withTemporaryFolder { try await body(try await TrainingWorkspace(in: $0)) }
}
