import Foundation
import JobConfiguration
import Testing

@Suite struct ErrorTests {
    @Test func anUnknownKeyNamesTheNearest() {
        #expect(
            problems(in: sampleJob + "\n  logEvrey: 5") == [
                "job.yaml:15:3: unknown key 'logEvrey' in 'training'\n  → did you mean 'logEvery'?"
            ])
    }

    @Test(arguments: [
        ("model.head=4", "heads"), ("training.micro_batch_size=2", "microBatchSize"), ("sead=1", "seed"),
        ("optimizer.schedule.warmup_step=3", "warmupSteps"), ("model.presett=x", "preset"),
        // The right key in the wrong section.
        ("training.learningRate=1", "optimizer.learningRate"), ("learning_rate=1", "optimizer.learningRate"),
        ("optimizer.warmupSteps=1", "optimizer.schedule.warmupSteps"),
    ])
    func misspeltAndMisplacedKeysAreRecognised(override: String, meant: String) throws {
        let found = try #require(problems(in: sampleJob, override).first)
        #expect(found.hasPrefix("--set \(override): unknown key '"))
        #expect(found.hasSuffix("did you mean '\(meant)'?"))
    }

    @Test func aKeyLikeNoOtherGetsTheList() {
        #expect(
            problems(in: sampleJob, "evaluation.zzzzzzzz=1") == [
                "--set evaluation.zzzzzzzz=1: unknown key 'zzzzzzzz' in 'evaluation'\n"
                    + "  → the keys here are: every, samples"
            ])
    }

    @Test func wrongTypesAndRangesSayWhatIsAllowed() {
        #expect(
            problems(in: sampleJob.replacingOccurrences(of: "steps: 100", with: "steps: many")) == [
                "job.yaml:12:10: training.steps: expected a whole number from 1 to 1,000,000,000, found 'many'\n"
                    + "  → 'training.steps' is the number of optimizer steps"
            ])
        #expect(
            problems(in: sampleJob, "model.dropout=1") == [
                "--set model.dropout=1: model.dropout: expected a number from 0 up to, but below, 1, found '1'\n"
                    + "  → 'model.dropout' is the probability of zeroing an element"
            ])
        #expect(
            problems(in: sampleJob, "model.architecture=gpt3") == [
                "--set model.architecture=gpt3: model.architecture: expected one of gpt2, llama; found 'gpt3'\n"
                    + "  → did you mean 'gpt2'?"
            ])
    }

    @Test(arguments: [
        "training.steps=0", "training.steps=-1", "training.steps=1.5", "training.steps=1e3", "training.steps=",
        "training.steps='100'", "training.steps=[100]", "training.steps=99999999999999999999", "seed=-1",
        "seed=18446744073709551616", "optimizer.learningRate=0", "optimizer.learningRate=fast",
        "optimizer.learningRate=1e50", "optimizer.learningRate=nan", "optimizer.beta1=1", "optimizer.epsilon=0",
        "optimizer.weightDecay=-0.1", "optimizer.gradientClip=inf", "optimizer.schedule.finalFraction=1.5",
        "optimizer.schedule.kind=triangle", "model.layers=1000000000000", "model.hiddenSize=9223372036854775807",
        "model.tiedEmbeddings=yes", "parallelism.data=0", "parallelism.tensor=auto", "parallelism.overlap=yes",
        "parallelism.gradientExchange=float16", "checkpoint.keepLast=0",
        "checkpoint.mode=later", "checkpoint.onFailure=ignore",
        "evaluation.samples=0", "launch.threadsPerRank=-2", "data.train=[]", "data.train=[a, 7, ~]",
        "data.train={a: b}", "name=a/b", "name=..", "name=''", "output=''", "checkpoint.resume=", "training=7",
        "optimizer=[1]", "model=[]", "model.preset=[]",
    ])
    func badValuesAreRefused(override: String) {
        let found = problems(in: sampleJob, override)
        #expect(!found.isEmpty)
        #expect(found.allSatisfy { $0.hasPrefix("--set \(override): ") }, "\(found)")
    }

    @Test func missingKeysSayWhereTheyBelong() {
        #expect(
            problems(in: "name: x\ntraining:\n  steps: 5\n") == [
                "job.yaml:3:3: training.globalBatchSize is missing\n  → add it below 'training:': 'globalBatchSize' is "
                    + "the number of sequences in one optimizer step, over all ranks",
                "job.yaml:3:3: training.microBatchSize is missing\n  → add it below 'training:': 'microBatchSize' is "
                    + "the number of sequences in one forward and backward pass of one data-parallel rank",
                "job.yaml:1:1: model is missing\n  → add it: 'model' is the shape of the model: a preset, or sizes of "
                    + "its own, with preset",
                "job.yaml:1:1: data is missing\n  → add it: 'data' is where the tokens are, with train",
            ])
    }

    @Test func everythingThatIsWrongIsReportedAtOnce() {
        let yaml = """
            name: sample
            sed: 1
            model:
              architecture: gpt2
              layers: two
              hiddenSize: 30
              heads: 4
              contextLength: 64
              vocabularySize: 256
            data:
              train: [shards/train]
            training:
              steps: 100
              globalBatchSize: 7
              microBatchSize: 2
              sequenceLength: 65
            """
        #expect(
            headlines(problems(in: yaml)) == [
                "job.yaml:2:1: unknown key 'sed' at the top level",
                "job.yaml:5:11: model.layers: expected a whole number from 1 to 10,000, found 'two'",
                "job.yaml:6:3: model.hiddenSize is 30, which is not a multiple of model.heads, 4",
                "job.yaml:14:3: training.globalBatchSize is 7, which is not a multiple of parallelism.data × "
                    + "training.microBatchSize = 1 × 2 = 2",
                "job.yaml:16:3: training.sequenceLength is 65, but model.contextLength is only 64",
            ])
    }

    @Test func aSyntaxErrorSaysWhere() throws {
        let found = try #require(problems(in: "name: [a\ntraining: 3\n").first)
        #expect(found.hasPrefix("job.yaml:2:"), "\(found)")
        #expect(found.contains("this is not valid YAML"))
    }

    @Test func aKeyThatOccursTwiceIsRefused() {
        #expect(
            problems(in: sampleJob + "\nname: again\n") == [
                "job.yaml:1:1: these keys occur more than once in one section: name\n  → keep one of each"
            ])
    }

    @Test func aDocumentThatIsNoSectionIsRefused() {
        #expect(
            problems(in: "just a text") == [
                "job.yaml:1:1: the job: expected a section with keys of its own, found 'just a text'\n"
                    + "  → write its keys on lines of their own below it, each as 'key: value' and indented alike"
            ])
    }

    @Test func anEmptyDocumentLacksEverything() {
        #expect(
            headlines(problems(in: "# nothing\n")) == [
                "job.yaml: name is missing", "job.yaml: model is missing", "job.yaml: data is missing",
                "job.yaml: training is missing",
            ])
    }

    @Test func endlessNestingIsRefused() throws {
        let found = problems(in: "name: " + String(repeating: "[", count: 100_000))
        #expect(found.count == 1)
        #expect(try #require(found.first).contains("this is not valid YAML"))
    }

    /// Composed, the last key would be a list of 10³⁰ words, which a comparison of keys reads.
    @Test func aliasesOfAliasesAreRefused() throws {
        var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            yaml += "a\(level): &a\(level) [\(aliases)]\n"
        }
        let found = problems(in: yaml + "? *a29\n: 1\n")
        #expect(found.count == 1)
        #expect(try #require(found.first).contains("job.yaml: the document has more than 16 aliases"))
    }

    @Test func someAliasesAreTaken() throws {
        let job = try load(sampleJob.replacing("name: sample", with: "name: &name sample") + "\noutput: *name\n")
        #expect(job.output == "sample")
    }

    @Test func aDocumentLargerThanAnyJobIsRefused() throws {
        let found = problems(in: sampleJob + "\n#" + String(repeating: "x", count: 1 << 20))
        #expect(found.count == 1)
        #expect(try #require(found.first).contains("expected at most 1048576"))
    }

    @Test func twoDocumentsAreRefused() throws {
        let found = try #require(problems(in: sampleJob + "\n---\nname: second\n").first)
        #expect(found.contains("found another document"))
    }
}
