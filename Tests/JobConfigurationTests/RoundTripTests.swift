import JobConfiguration
import Testing

@Suite struct RoundTripTests {
    private func reload(_ job: JobConfiguration) throws -> JobConfiguration {
        try JobConfiguration.load(yaml: job.yaml, name: "printed.yaml")
    }

    @Test func aPrintedJobLoadsToAnEqualOne() throws {
        let job = try load()
        #expect(try reload(job) == job)
    }

    @Test(arguments: [
        "parallelism.pipeline=2", "parallelism.schedule=zero-bubble",
        "parallelism={pipeline: 1, schedule: gpipe}",
        "parallelism.data=auto", "parallelism.overlap=off", "parallelism.gradientExchange=bfloat16",
        "checkpoint.mode=synchronous", "checkpoint.onFailure=continue", "checkpoint.resume=never",
        "checkpoint.resume=runs/x y/step-000100",
        "checkpoint={localFolder: '/dev/shm/{host}', localEvery: 5}", "training.determinism=fast",
        "optimizer.learningRate=1.2345678e-4", "optimizer.epsilon=1e-30", "model.normEpsilon=1e-6",
        "seed=18446744073709551615", "data.tokenizer=t.json", "data.validation=[a, 'b, c', '[d]']",
        "launch.hostfile=hosts", "launch.mpirunArguments=[--mca, btl, 'tcp,self', '-x', 'A=\"b\"']",
        "training.determinism=topology", "training.replicaCheckEvery=50", "supervision.elastic=true",
        "supervision.maxRestarts=0",
        "launch.walltimeSeconds=3600", "parallelism={tensor: 2, sequence: true}",
        "parallelism={context: 2, contextAttention: heads}",
        "launch.controlAddress=10.0.0.1", "optimizer.schedule.kind=warmup-stable-decay", "model.tiedEmbeddings=false",
        "guards={onNonFinite: rollback, onSpike: skip, window: 9, spikeThreshold: 4.5}",
        "guards={rollbackCheckpoints: 2, maxRollbacks: 0, maxSkips: 7}",
    ])
    func everyKindOfValueSurvives(override: String) throws {
        let job = try load(sampleJob, override)
        let unchanged = try load()
        #expect(job != unchanged)
        #expect(try reload(job) == job)
    }

    @Test(arguments: [
        "plain", "null", "~", "NULL", "true", "12", "1e5", "-x", "- x", "a: b", "a #b", "\"quoted\"", "it's",
        "tab\there",
        "line\nbreak", "back\\slash", "ünïcode 字", "\u{7f}\u{1}", "{a}", "*a", "&a", "!a", "%a", "@a", " spaces ",
        "auto",
        "a\u{feff}b", "\u{2028}", "\u{85}", "---", "...",
    ])
    func everyTextSurvives(text: String) throws {
        var job = try load()
        job.output = text
        job.data.train = [text, text]
        job.data.tokenizer = text
        job.launch.mpirunArguments = [text]
        #expect(try reload(job) == job)
    }

    @Test func aCheckpointFolderNamedLikeAWordStaysAFolder() throws {
        var job = try load()
        job.checkpoint.resume = .from("auto")
        #expect(try reload(job).checkpoint.resume == .from("./auto"))
    }

    @Test func printingExplainsEveryValue() throws {
        let lines = try load().yaml.split(separator: "\n")
        #expect(lines.contains("  steps: 100  # the number of optimizer steps"))
        #expect(lines.contains("    kind: cosine  # the shape after warm-up"))
        #expect(lines.allSatisfy { $0.contains("  # ") || $0.hasSuffix(":") })
    }
}
