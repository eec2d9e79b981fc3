import ArgumentParser
import Benchmarking
import Collectives
import Coordination
import Foundation
import JobConfiguration
import Models
import Numerics
import Observability
import Optimization
import Parallelism
import Training

extension Recomputation: ExpressibleByArgument {}
extension MomentPrecision: ExpressibleByArgument {}

struct BenchTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Time whole training steps on random tokens.",
        discussion: """
            A step is forward, backward, gradient exchange, clipping and AdamW. The peak that the rate is compared with \
            is measured in the same run: fused multiply-adds in registers on all threads. Model FLOPs are \
            6 × parameters (without position table) × tokens + 6 × layers × width × context × tokens.
            """)

    @Option(help: "A model preset, as `apus config presets` lists them.") var preset: String?
    @Option(name: .customLong("arch"), help: "gpt2 or llama.") var architecture = "gpt2"
    @Option(help: "Blocks.") var layers = 6
    @Option(help: "Hidden size.") var width = 384
    @Option(help: "Attention heads.") var heads = 6
    @Option(name: .customLong("kv-heads"), help: "Key/value heads (default: as many as heads).")
    var keyValueHeads: Int?
    @Option(name: .customLong("ff"), help: "Feed-forward size (default: the architecture's).")
    var feedForwardSize: Int?
    @Option(help: "Sequence length in tokens (default: 256, or the preset's context).") var context: Int?
    @Option(help: "Tokens in the vocabulary (default: 65, or the preset's).") var vocabulary: Int?
    @Flag(inversion: .prefixedNo, help: "Share the embedding with the output projection.") var tied = true
    @Option(help: "Sequences in a step, over all ranks.") var batch = 16
    @Option(help: "Micro-batches that each replica's part of a step is cut into.") var accumulation = 1
    @Option(help: "The order in which gradients are added: topology or fast.") var determinism = Determinism.topology
    @Option(help: "MPI ranks.") var ranks = 1
    @Option(help: "Ranks that share every layer (tensor parallelism); the others are replicas.") var tensor = 1
    @Option(
        help: "Stages that share the blocks (pipeline parallelism); a step needs as many micro-batches, --accumulation."
    )
    var pipeline = 1
    @Option(help: "The pipeline's schedule: gpipe, 1f1b, interleaved or zero-bubble.")
    var schedule = PipelineSchedule.Kind.oneForwardOneBackward
    @Option(help: "Parts of the model on each stage of an interleaved schedule.") var virtualStages = 1
    @Option(name: .customLong("context-ranks"), help: "Ranks that every sequence is cut over (context parallelism).")
    var contextRanks = 1
    @Option(name: .customLong("context-attention"), help: "How a sequence's parts attend to each other: ring or heads.")
    var contextAttention = ContextAttention.ring
    @Flag(name: .customLong("sequence"), help: "Share out tokens among tensor-parallel ranks (sequence parallelism).")
    var sharesOutTokens = false
    @Option(help: "Whether to exchange gradients during the backward pass: auto, on or off.")
    var overlap = GradientExchangeConfiguration.Overlap.automatic
    @Option(name: .customLong("gradient-exchange"), help: "What gradients are between hosts: float32 or bfloat16.")
    var wireFormat = WireFormat.float32
    @Option(help: "Threads a rank (default: the cores divided by the ranks).") var threads: Int?
    @Option(help: "Activations that the backward pass computes again: none, selective or full.")
    var recomputation: Recomputation = .selective
    @Option(name: .customLong("moments"), help: "The precision of AdamW's moments: float32 or bfloat16.")
    var momentPrecision: MomentPrecision = .float32
    @Option(help: "Steps that are timed, after two that are not.") var steps = 10
    @Flag(help: "Print one JSON object.") var json = false
    @OptionGroup var profile: ProfileOptions

    func validate() throws {
        func require(_ condition: Bool, _ message: String) throws {
            if !condition { throw ValidationError(message) }
        }
        for (name, value) in [
            ("layers", layers), ("width", width), ("heads", heads), ("batch", batch), ("ranks", ranks),
            ("tensor", tensor), ("accumulation", accumulation), ("pipeline", pipeline),
            ("virtual-stages", virtualStages), ("steps", steps), ("threads", threads ?? 1),
            ("context", context ?? 1), ("context-ranks", contextRanks),
            ("vocabulary", vocabulary ?? 1), ("kv-heads", keyValueHeads ?? 1), ("ff", feedForwardSize ?? 1),
        ] { try require(value > 0, "--\(name) must be at least 1, got \(value)") }
        let ranksOfReplica = tensor * contextRanks * pipeline
        try require(
            ranks % ranksOfReplica == 0,
            ranksOfReplica == tensor
                ? "--ranks \(ranks) must be a multiple of --tensor \(tensor)"
                : "--ranks \(ranks) must be a multiple of --pipeline × --context-ranks × --tensor, \(ranksOfReplica)")
        let replicas = ranks / ranksOfReplica
        try require(batch % replicas == 0, "--batch \(batch) must be a multiple of the \(replicas) replicas")
        try require(
            batch % (replicas * accumulation) == 0,
            "--batch \(batch) must be a multiple of replicas × accumulation, \(replicas) × \(accumulation)")
        try require(
            determinism.allows(microBatches: accumulation, ranks: replicas),
            "--determinism topology needs a power of two as --accumulation with several replicas, got \(accumulation)")
    }

    func run() throws {
        let model = try model()
        var benchmark = TrainingBenchmark(
            model: model, sequenceLength: min(context ?? model.contextLength, model.contextLength), batchSize: batch,
            mesh: MeshConfiguration(
                data: ranks / (tensor * contextRanks * pipeline), pipeline: pipeline, context: contextRanks,
                tensor: tensor),
            recomputation: recomputation, momentPrecision: momentPrecision, steps: steps)
        benchmark.accumulation = accumulation
        benchmark.determinism = determinism
        benchmark.pipeline = PipelineConfiguration(schedule: schedule, virtualStages: virtualStages)
        benchmark.activations.sequence = sharesOutTokens
        benchmark.activations.contextAttention = contextAttention
        benchmark.exchange.overlap = overlap
        benchmark.exchange.wireFormat = wireFormat
        try benchmark.validate()
        try MPILaunch.restart(ranks: ranks)
        let session = try WorkerSession(threadsPerRank: threads)
        let status = session.run {
            let profile = try profile.request.map {
                try StepProfile($0, defaultFolder: "profile", world: session.world, pool: session.pool)
            }
            let result = benchmark.run(world: session.world, pool: session.pool, profile: profile)
            if session.world.rank == 0 {
                StandardStream.write((json ? try result.json : result.text) + "\n", to: StandardStream.output)
            }
            if let table = profile?.table {
                StandardStream.write(
                    json ? table : "\n" + table, to: json ? StandardStream.error : StandardStream.output)
            }
            return .success
        }
        if status != .success { throw ExitCode(status) }
    }

    private func model() throws -> ModelConfiguration {
        if let preset {
            var model = try ModelPresets.load(preset)
            if let context { model.contextLength = context }
            if let vocabulary { model.vocabularySize = vocabulary }
            return model
        }
        guard let architecture = ModelConfiguration.Architecture(rawValue: architecture) else {
            throw ValidationError("--arch must be gpt2 or llama, got \(architecture)")
        }
        return ModelConfiguration(
            architecture: architecture, layers: layers, hiddenSize: width, heads: heads, keyValueHeads: keyValueHeads,
            feedForwardSize: feedForwardSize, contextLength: context ?? 256, vocabularySize: vocabulary ?? 65,
            tiedEmbeddings: tied)
    }
}

extension GradientExchangeConfiguration.Overlap: ExpressibleByArgument {}
extension WireFormat: ExpressibleByArgument {}
extension ContextAttention: ExpressibleByArgument {}
extension Determinism: ExpressibleByArgument {}
extension PipelineSchedule.Kind: ExpressibleByArgument {}
