import JobConfiguration
import Models
import Optimization
import Parallelism
import Testing

@Suite struct DecodingTests {
    @Test func valuesThatAreNotGivenHaveTheirDefaults() throws {
        let job = try load()
        let model = ModelConfiguration(
            architecture: .gpt2, layers: 2, hiddenSize: 32, heads: 4, contextLength: 64, vocabularySize: 256)
        let expected = JobConfiguration(
            name: "sample", model: model, data: DataConfiguration(train: ["shards/train"]),
            training: TrainingConfiguration(steps: 100, globalBatchSize: 8, microBatchSize: 2, sequenceLength: 64))
        #expect(job == expected)
        #expect(job.output == "runs/sample")
        #expect(job.model.feedForwardSize == 128)
        #expect(job.model.tiedEmbeddings)
        #expect(job.tokensPerStep == 512)
    }

    @Test func everyKeyIsDecoded() throws {
        let job = try load(fullJob)
        var expected = JobConfiguration(
            name: "full",
            model: ModelConfiguration(
                architecture: .llama, layers: 3, hiddenSize: 48, heads: 6, keyValueHeads: 2, feedForwardSize: 100,
                contextLength: 128, vocabularySize: 1000, tiedEmbeddings: true, dropout: 0.25, normEpsilon: 1e-6,
                ropeTheta: 500_000, initializerRange: 0.01),
            data: DataConfiguration(train: ["a", "b c"]),
            training: TrainingConfiguration(steps: 1000, globalBatchSize: 24, microBatchSize: 3, sequenceLength: 100),
            output: "elsewhere")
        expected.seed = .max
        expected.data.validation = ["d"]
        expected.data.tokenizer = "tokenizer.json"
        expected.training.logEvery = 5
        expected.training.recomputation = .full
        expected.optimizer.learningRate = 1e-3
        expected.optimizer.beta1 = 0.8
        expected.optimizer.beta2 = 0.99
        expected.optimizer.epsilon = 1e-7
        expected.optimizer.weightDecay = 0
        expected.optimizer.gradientClip = 2
        expected.optimizer.momentPrecision = .bfloat16
        expected.optimizer.schedule.kind = .warmupStableDecay
        expected.optimizer.schedule.warmupSteps = 10
        expected.optimizer.schedule.finalFraction = 0
        expected.optimizer.schedule.decaySteps = 200
        expected.parallelism = MeshConfiguration(data: 4, tensor: 2)
        expected.evaluation.every = 50
        expected.evaluation.samples = 7
        expected.checkpoint.every = 20
        expected.checkpoint.keepLast = 3
        expected.checkpoint.keepEvery = 60
        expected.checkpoint.resume = .from("runs/other/checkpoints/step-000100")
        expected.checkpoint.mode = .synchronous
        expected.checkpoint.onFailure = .continue
        expected.launch.threadsPerRank = 2
        expected.launch.hostfile = "hosts"
        expected.launch.mpirunArguments = ["--mca", "btl", "tcp,self"]
        #expect(job == expected)
    }

    private let fullJob = """
        name: full
        seed: 18446744073709551615
        model:
          architecture: llama
          layers: 3
          hiddenSize: 48
          heads: 6
          keyValueHeads: 2
          feedForwardSize: 100
          contextLength: 128
          vocabularySize: 1_000
          tiedEmbeddings: true
          dropout: 0.25
          normEpsilon: 1e-6
          ropeTheta: 500000
          initializerRange: 0.01
        data:
          train: [a, "b c"]
          validation: d
          tokenizer: tokenizer.json
        training:
          steps: 1000
          globalBatchSize: 24
          microBatchSize: 3
          sequenceLength: 100
          logEvery: 5
          recomputation: full
        optimizer:
          learningRate: 1e-3
          beta1: 0.8
          beta2: 0.99
          epsilon: 1e-7
          weightDecay: 0
          gradientClip: 2
          momentPrecision: bfloat16
          schedule:
            kind: warmup-stable-decay
            warmupSteps: 10
            finalFraction: 0
            decaySteps: 200
        parallelism:
          data: 4
          tensor: 2
        evaluation:
          every: 50
          samples: 7
        checkpoint:
          every: 20
          keepLast: 3
          keepEvery: 60
          resume: runs/other/checkpoints/step-000100
          mode: synchronous
          onFailure: continue
        launch:
          threadsPerRank: 2
          hostfile: hosts
          mpirunArguments: [--mca, btl, "tcp,self"]
        output: elsewhere
        """

    @Test func emptySectionsHaveTheirDefaults() throws {
        #expect(try load(sampleJob + "\noptimizer:\nevaluation: ~\nlaunch: {}\n") == load())
    }

    @Test func resumeIsAWordOrAFolder() throws {
        #expect(try load(sampleJob, "checkpoint.resume=auto").checkpoint.resume == .automatic)
        #expect(try load(sampleJob, "checkpoint.resume=never").checkpoint.resume == .never)
        #expect(try load(sampleJob, "checkpoint.resume=a/b").checkpoint.resume == .from("a/b"))
    }

    @Test func theVocabularyComesFromTheTokenizer() throws {
        let overrides = ["model.vocabularySize=auto", "data.tokenizer=t.json"]
        let job = try JobConfiguration.load(yaml: sampleJob, name: "job.yaml", overrides: overrides) { path in
            #expect(path == "t.json")
            return 777
        }
        #expect(job.model.vocabularySize == 777)
    }

    @Test func sizesThatFollowFromOthersFollowOverrides() throws {
        let job = try load(sampleJob, "model.hiddenSize=64", "model.heads=8", "model.contextLength=32")
        #expect(job.model.feedForwardSize == 256)
        #expect(job.model.keyValueHeads == 8)
        #expect(job.training.sequenceLength == 32)
    }
}
