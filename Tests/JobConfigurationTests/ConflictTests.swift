import JobConfiguration
import Parallelism
import Testing

@Suite struct ConflictTests {
    /// Each of the overrides is right by itself; the message names both values.
    @Test(arguments: [
        (["model.heads=5"], "model.hiddenSize is 32, which is not a multiple of model.heads, 5"),
        (["model.keyValueHeads=3"], "model.heads is 4, which is not a multiple of model.keyValueHeads, 3"),
        (["model.architecture=llama", "model.hiddenSize=12"], "RoPE turns pairs of channels"),
        (["training.globalBatchSize=9"], "parallelism.data × training.microBatchSize = 1 × 2 = 2"),
        (["parallelism.data=3"], "training.globalBatchSize is 8, which is not a multiple of parallelism.data × "),
        (["parallelism.data=auto", "training.globalBatchSize=7"], "not a multiple of training.microBatchSize, 2"),
        (
            ["training.determinism=topology", "parallelism.data=2", "training.globalBatchSize=12"],
            "each of the 2 replicas has 3 micro-batches in a step"
        ),
        (
            ["training.determinism=topology", "parallelism.gradientExchange=bfloat16"],
            "but parallelism.gradientExchange is bfloat16"
        ),
        (["training.sequenceLength=65"], "but model.contextLength is only 64"),
        (["optimizer.schedule.warmupSteps=101"], "101 + 0 = 101 is more than training.steps, 100"),
        (
            [
                "optimizer.schedule.kind=warmup-stable-decay", "optimizer.schedule.warmupSteps=60",
                "optimizer.schedule.decaySteps=60",
            ], "60 + 60 = 120 is more than training.steps, 100"
        ),
        (["optimizer.schedule.decaySteps=5"], "has no effect on a cosine schedule"),
        (
            ["parallelism.tensor=3", "model.feedForwardSize=96"],
            "model.heads is 4, which is not a multiple of parallelism"
        ),
        (
            ["parallelism.tensor=4", "model.keyValueHeads=2"],
            "model.keyValueHeads is 2, which is not a multiple of parallelism.tensor, 4"
        ),
        (
            ["parallelism.tensor=4", "model.feedForwardSize=90"],
            "model.feedForwardSize is 90, which is not a multiple of parallelism.tensor, 4"
        ),
        (["parallelism.tensor=4", "model.vocabularySize=3"], "fewer than the 4 ranks that share it"),
        (["parallelism.sequence=true"], "but parallelism.tensor is 1"),
        (
            ["parallelism.sequence=true", "parallelism.tensor=4", "training.sequenceLength=62"],
            "training.sequenceLength is 62, which is not a multiple of parallelism.tensor, 4"
        ),
        (
            ["parallelism.context=2", "training.sequenceLength=62"],
            "training.sequenceLength is 62, which is not a multiple of 2 × parallelism.context, 4"
        ),
        (
            [
                "parallelism.context=4", "parallelism.tensor=4", "parallelism.sequence=true",
                "training.sequenceLength=56",
            ],
            "56, which is not a multiple of 2 × parallelism.context, 8, and of parallelism.context × parallelism.tensor, 16"
        ),
        (
            ["parallelism.context=3", "parallelism.contextAttention=heads", "training.sequenceLength=60"],
            "parallelism.contextAttention is heads, but model.heads, 4, and model.keyValueHeads, 4, are not both multiples"
        ),
        (
            [
                "parallelism.context=2", "parallelism.tensor=2", "parallelism.contextAttention=heads",
                "model.keyValueHeads=2",
            ], "are not both multiples of parallelism.context × parallelism.tensor, 4"
        ),
        (["checkpoint.every=100", "checkpoint.keepEvery=150"], "not a multiple of checkpoint.every, 100"),
    ])
    func valuesThatDoNotFitTogetherAreRefused(overrides: [String], message: String) throws {
        let error = try #require(throws: JobError.self) {
            try JobConfiguration.load(yaml: sampleJob, name: "job.yaml", overrides: overrides)
        }
        #expect(error.problems.count == 1, "\(error)")
        #expect(error.description.contains(message), "\(error)")
        #expect(error.problems.allSatisfy { $0.remedy != nil })
    }

    @Test func theRemedyNamesTheNearestWaysToShareOutTokens() {
        #expect(
            problems(
                in: sampleJob, "parallelism.context=4", "parallelism.contextAttention=heads", "model.keyValueHeads=2"
            ).map { String($0.split(separator: "\n").last!) } == [
                "  → set parallelism.context to 2, or set parallelism.contextAttention to ring"
            ])
        #expect(
            problems(
                in: sampleJob, "parallelism.context=2", "parallelism.tensor=2", "parallelism.sequence=true",
                "training.sequenceLength=57"
            ).map { String($0.split(separator: "\n").last!) } == [
                "  → set it to 56 or 60, or change the others"
            ])
    }

    @Test func theRemedyNamesTheNearestValues() {
        #expect(
            problems(in: sampleJob, "training.globalBatchSize=9") == [
                "--set training.globalBatchSize=9: training.globalBatchSize is 9, which is not a multiple of "
                    + "parallelism.data × training.microBatchSize = 1 × 2 = 2\n"
                    + "  → set it to 8 or 10, or change the others"
            ])
    }

    /// One rank has the whole tree, and a power of two of micro-batches is a node of it.
    @Test(arguments: [(1, 12), (1, 14), (2, 16), (3, 12), (6, 12)])
    func topologyTakesBatchesThatFitItsTree(replicas: Int, batchSize: Int) throws {
        let job = try load(
            ["training.determinism=topology", "parallelism.data=\(replicas)", "training.globalBatchSize=\(batchSize)"],
            tokens: 256)
        #expect(job.determinism == .topology)
    }

    @Test func topologyIsTakenWhereItFitsUnlessTheJobSaysOtherwise() throws {
        func order(_ overrides: String...) throws -> Determinism {
            try load(["parallelism.data=2"] + overrides, tokens: 256).determinism
        }
        #expect(try order("training.globalBatchSize=16") == .topology)
        #expect(try order("training.globalBatchSize=12") == .fast)
        #expect(try order("training.globalBatchSize=16", "parallelism.gradientExchange=bfloat16") == .fast)
        #expect(try order("training.globalBatchSize=16", "training.determinism=fast") == .fast)
    }

    @Test func theRemedyOfATreeThatDoesNotFitNamesTheNearestBatches() {
        #expect(
            problems(
                in: sampleJob, "parallelism.data=2", "training.globalBatchSize=20", "training.determinism=topology"
            ).first?.hasSuffix(
                "  → set training.globalBatchSize to 16 or 32, change the others, or set training.determinism to fast")
                == true)
    }

    @Test(arguments: [
        ("guards.onSpike=skip", "guards.spikeThreshold is 0, which looks for no spikes"),
        ("guards={onSpike: rollback, spikeThreshold: 6, rollbackCheckpoints: 3}", "checkpoint.keepLast is only 2"),
    ])
    func guardsMustBeAbleToDoWhatTheyAreAskedFor(_ override: String, _ expected: String) {
        let found = problems(in: sampleJob, override)
        #expect(found.count == 1 && found[0].contains(expected), "\(found)")
    }

    @Test func aRollbackNeedsCheckpoints() {
        let found = problems(in: sampleJob, "guards.onNonFinite=rollback", "checkpoint.every=0")
        #expect(found.count == 1 && found[0].contains("there will be no checkpoint to go back to"), "\(found)")
        #expect(problems(in: sampleJob, "guards.onNonFinite=rollback") == [])
    }

    private func load(_ overrides: [String], tokens: Int) throws -> JobConfiguration {
        try JobConfiguration.load(yaml: sampleJob, name: "job.yaml", overrides: overrides) { _ in tokens }
    }

    @Test func theTokenizerMustFitTheModel() throws {
        #expect(try load(["data.tokenizer=t.json"], tokens: 256).model.vocabularySize == 256)
        let error = try #require(throws: JobError.self) { try load(["data.tokenizer=t.json"], tokens: 300) }
        #expect(
            error.description == """
                job.yaml:8:3: model.vocabularySize is 256, but t.json has 300 tokens
                  → set model.vocabularySize to 'auto' or to at least 300
                """)
    }

    @Test func anAutomaticVocabularyNeedsATokenizer() throws {
        let error = try #require(throws: JobError.self) { try load(["model.vocabularySize=auto"], tokens: 300) }
        #expect(error.problems.count == 1)
        #expect(error.description.contains("there is no data.tokenizer to take it from"))
    }

    @Test func anUnreadableTokenizerIsOneOfTheProblems() throws {
        struct Unreadable: Error, CustomStringConvertible { let description = "no such file" }
        let error = try #require(throws: JobError.self) {
            try JobConfiguration.load(
                yaml: sampleJob, name: "job.yaml",
                overrides: ["data.tokenizer=t.json", "model.vocabularySize=auto", "training.steps=0"]
            ) { _ in throw Unreadable() }
        }
        #expect(error.problems.count == 2)
        #expect(error.description.contains("data.tokenizer cannot be used: no such file"))
    }
}
