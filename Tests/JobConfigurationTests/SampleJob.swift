import JobConfiguration
import Testing

/// A small, valid job. Line numbers in expected messages refer to this text.
let sampleJob = """
    name: sample
    model:
      architecture: gpt2
      layers: 2
      hiddenSize: 32
      heads: 4
      contextLength: 64
      vocabularySize: 256
    data:
      train: [shards/train]
    training:
      steps: 100
      globalBatchSize: 8
      microBatchSize: 2
    """

func load(_ yaml: String = sampleJob, _ overrides: String...) throws -> JobConfiguration {
    try JobConfiguration.load(yaml: yaml, name: "job.yaml", overrides: overrides)
}

/// What is wrong with a job, as the user sees it.
func problems(in yaml: String = sampleJob, _ overrides: String...) -> [String] {
    do {
        _ = try JobConfiguration.load(yaml: yaml, name: "job.yaml", overrides: overrides)
        return []
    } catch let error as JobError {
        return error.problems.map(\.description)
    } catch {
        return ["not a JobError: \(error)"]
    }
}

/// The first line of each message: without what to do about it.
func headlines(_ messages: [String]) -> [String] {
    messages.map { String($0.prefix { $0 != "\n" }) }
}
