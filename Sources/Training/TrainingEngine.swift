import Autograd
import Collectives
import Models
import Numerics
import Optimization
import Parallelism

/// One rank's share of a model being trained: its parameters, its optimizer state, and the step that updates them.
///
/// Data-parallel ranks of one host have parameters and optimizer state in common and each update a part of them.
///
/// Knows nothing of files, schedules or reports: `TrainingRun` drives it, and so do the benchmarks.
public final class TrainingEngine {
    public let decoder: Decoder
    public let mesh: Mesh
    public let tape: Tape
    public let store: ParameterStore
    public let optimizer: AdamW

    /// The memory of parameters, moments and gradients.
    let replicaMemory: ReplicaMemory
    private let exchange: GradientExchange
    private let accumulation: GradientAccumulation
    let pipeline: PipelineStage
    private let tied: TiedGradients
    private let blocks: any BlockExecution
    private let norm: PipelineNorm
    private let regions: any TensorRegions
    private let attention: any AttentionExecution
    /// Present where tensor-parallel ranks share out tokens.
    private let sharedGradients: SharedGradients?
    private let seed: UInt64
    private let recomputation: Recomputation
    /// What ranks add up in a step: the loss of each replica, then the votes.
    private let sums: UnsafeMutableBufferPointer<Double>
    /// Those of this rank's micro-batches.
    private var losses = UnsafeMutableBufferPointer<Double>(start: nil, count: 0)

    /// Collective over the mesh. Parameters hold their initial values.
    ///
    /// - Parameter sequenceLength: Tokens of the sequences to come, for sharing out blocks; the context's unless given.
    public init(
        model: ModelConfiguration, optimizer configuration: OptimizerConfiguration, seed: UInt64, mesh: Mesh,
        pool: ThreadPool, exchange exchangeConfiguration: GradientExchangeConfiguration = .init(),
        recomputation: Recomputation = .selective, determinism: Determinism = .fast,
        activations: ActivationSplit = .init(), pipeline pipelineConfiguration: PipelineConfiguration = .init(),
        sequenceLength: Int? = nil
    ) {
        decoder = Decoder(model)
        self.mesh = mesh
        self.seed = seed
        self.recomputation = recomputation
        tape = Tape(pool: pool)
        let plan = ShardingPlan(tensorRank: mesh.tensor.rank, tensorSize: mesh.tensor.size)
        let stages = mesh[.pipeline]
        let pipelineConfiguration = stages.size == 1 ? PipelineConfiguration() : pipelineConfiguration
        let partition = ModelPartition(
            decoder, parts: stages.size * pipelineConfiguration.virtualStages,
            sequenceLength: sequenceLength ?? model.contextLength)
        let held = HeldParameters(partition.holders(of: decoder, stages: stages.size), stage: stages.rank)
        let layout = FlatLayout(decoder.declarations, plan: plan, holding: held)
        let tiles = PipelineNorm.tiles(of: layout, tensorRank: mesh.tensor.rank)
        let memory = ReplicaAreas(
            layout, moments: configuration.momentPrecision, tiles: tiles.count, on: mesh.replicas)
        replicaMemory = memory.whole
        store = ParameterStore(layout, memory: memory.whole, tape: tape)
        store.initialize(seed: seed, pool: pool)
        regions = mesh.regions(activations)
        attention = mesh.attention(activations)
        sharedGradients =
            activations.sequence && mesh.tensor.size > 1 ? SharedGradients(mesh.tensor, of: store) : nil
        exchange = GradientExchange(
            mesh.replicas, memory: memory.whole, tiles: tiles.map(\.range),
            layerStarts: decoder.firstOfLayers.filter(store.bindings.contains).map(layout.start),
            threads: pool.threadCount, exchangeConfiguration)
        accumulation = GradientAccumulation(determinism, of: store, on: tape)
        pipeline = PipelineStage(
            decoder, partition, pipelineConfiguration, peers: stages, regions: regions, tape: tape,
            accumulation: accumulation)
        tied = TiedGradients(held, of: store, between: stages)
        blocks = ExchangingExecution(
            exchange, after: accumulation, sharedGradients, of: store, around: DirectExecution.shared)
        sums = .allocate(capacity: mesh.replicas.size + StepVotes.Question.allCases.count)
        norm = PipelineNorm(
            tiles: tiles, partialSums: memory.partialSums, of: layout,
            whole: FlatLayout(decoder.declarations, plan: plan), over: stages)
        let share = exchange.sharedElements
        optimizer = AdamW(
            configuration, count: layout.count,
            segments: layout.entries.enumerated().compactMap { index, entry in
                let range = entry.range.clamped(to: share)
                guard !range.isEmpty else { return nil }
                return AdamW.Segment(
                    range: range, isDecayed: entry.specification.isDecayed, parameter: index,
                    parameterStart: entry.range.lowerBound)
            }, moments: memory.moments)
        mesh.replicas.hostBarrier(label: "initial parameters")
    }

    deinit {
        sums.deallocate()
        losses.deallocate()
    }

    /// Whether gradients are exchanged while the backward pass goes on.
    public var overlapsExchange: Bool { exchange.overlaps }
    /// What of the gradient exchange's configuration cannot be had here, if anything.
    public var exchangeNotice: String? { exchange.notice }

    /// What this rank's stage of the pipeline did with its time.
    public var pipelineTimes: PipelineStage.Times { pipeline.times }

    public struct StepResult: Sendable {
        /// Mean loss of a token over the global batch, before the update.
        public var loss: Double
        /// Global norm of the gradients before clipping.
        public var gradientNorm: Double
        /// Those of all ranks.
        public var votes: StepVotes
    }

    /// Runs forward and backward over this rank's micro-batches, sums gradients over replicas and updates the weights.
    ///
    /// Where the loss or the gradients are not finite, on any rank, or the loss is above the limit, no rank updates
    /// anything.
    /// - Parameters:
    ///   - microBatches: How many micro-batches this rank has in the step, and how each is obtained; it must stay where
    ///     it is until the end of the step.
    ///   - tokensPerStep: Tokens of the global batch, over which the loss is averaged.
    ///   - step: Updates made so far, for Adam's bias correction.
    ///   - lossLimit: The largest mean loss with which weights are updated; the same on all ranks.
    ///   - votes: This rank's, asked for when the ranks are about to exchange them.
    public func step(
        microBatches count: Int, tokensPerStep: Int, step: Int, learningRate: Float, lossLimit: Double = .infinity,
        votes myVotes: @autoclosure () -> StepVotes = StepVotes(), microBatch: (Int) throws -> TokenBatch
    ) rethrows -> StepResult {
        let start = Profiler.mark(tape.pool)
        defer { Profiler.record(since: start, .step, "step", pool: tape.pool) }
        tape.isRecording = true
        makeRoom(microBatches: count)
        sharedGradients?.begin()
        try pipeline.run(
            microBatches: count, lossScale: 1 / Float(tokensPerStep), losses: losses, context: context(for:),
            willComplete: exchange.beginLastPass, microBatch: microBatch)
        exchangeGradients()

        // Each loss has a place of its own, where nothing else is added to it: the ranks of a tensor-parallel group all
        // hold the replica's, and it must count once; of a pipeline only the last stage has it.
        let (replicas, ballots) = (
            UnsafeMutableBufferPointer(rebasing: sums[..<mesh.replicas.size]),
            UnsafeMutableBufferPointer(rebasing: sums[mesh.replicas.size...])
        )
        replicas.update(repeating: 0)
        if mesh.tensor.rank == 0, pipeline.isLast {
            replicas[mesh.replicas.rank] = ReductionTree.sum(UnsafeBufferPointer(losses))
        }
        let votes = myVotes()
        votes.write(to: ballots)
        profiled("agreement") { mesh.world.allReduce(sums, .sum, label: "loss") }
        let meanLoss = ReductionTree.sum(UnsafeBufferPointer(replicas))
        var allVotes = votes
        allVotes.read(ballots)
        let gradientNorm = profiled("gradient norm") { self.gradientNorm() }
        let result = StepResult(loss: meanLoss, gradientNorm: gradientNorm, votes: allVotes)
        if result.loss.isFinite, gradientNorm.isFinite, meanLoss <= lossLimit {
            // Values and moments are read and written, gradients read.
            let floats = 3 * store.values.count + 4 * optimizer.firstMoment.bytes.count / MemoryLayout<Float>.stride
            profiled("AdamW", floats: floats) {
                optimizer.update(
                    values: store.values, gradients: exchange.gradients, step: step + 1, learningRate: learningRate,
                    gradientNorm: Float(gradientNorm), pool: tape.pool)
            }
        }
        profiled("end of update") { exchange.finishUpdate() }
        return result
    }

    private func makeRoom(microBatches count: Int) {
        guard losses.count != count else { return }
        losses.deallocate()
        losses = .allocate(capacity: count)
    }

    /// Completes the sums of this rank's micro-batches, sums them over replicas, and takes their squares.
    private func exchangeGradients() {
        // A rank without peers completes a tile when it is about to be read for the norm anyway.
        let isAlone = mesh.replicas.size == 1 && tied.isEmpty && sharedGradients == nil
        if !isAlone { accumulation.finish(from: 0) }
        if !tied.isEmpty { profiled("tied gradients") { tied.sum() } }
        sharedGradients?.sum(from: 0)
        profiled("gradient exchange", floats: store.gradients.count) {
            exchange.sum(on: tape.pool) { [norm, exchange, accumulation] tile in
                if isAlone { accumulation.finish(norm.tiles[tile].range) }
                norm.addTile(tile, of: exchange.gradients)
            }
        }
    }

    /// Runs a part of a step as a span of a profile.
    ///
    /// - Parameter floats: that the part itself has to read and write.
    private func profiled<Result>(
        _ phase: StaticString, floats: Int = 0, _ body: () throws -> Result
    ) rethrows -> Result {
        try Profiler.span(.phase, phase, work: Trace.Work(bytes: 4 * Double(floats)), pool: tape.pool, body)
    }

    /// The norm of the whole model's gradient.
    private func gradientNorm() -> Double {
        let square = UnsafeMutableBufferPointer(rebasing: sums[..<1])
        square[0] = norm.sumOfSquares
        mesh.tensor.allReduce(square, .sum, label: "gradient norm")
        return square[0].squareRoot()
    }

    /// Sum over the batch of each token's loss, without gradients; of a pipeline on the last stage, and 0 on the others.
    /// Collective over the ranks that share the batch.
    public func evaluate(_ batch: TokenBatch) -> Double { pipeline.evaluate(batch, context(for: nil)) }

    private func context(for batch: TokenBatch) -> ForwardContext { context(for: batch as TokenBatch?) }

    private func context(for batch: TokenBatch?) -> ForwardContext {
        var dropout: DropoutSource?
        if let batch, decoder.configuration.dropout > 0 {
            dropout = DropoutSource(
                probability: decoder.configuration.dropout, seed: seed, sampleIndices: batch.sampleIndices,
                positions: batch.positions.dropping(rows: regions.rows(of: batch.tokens.count).lowerBound))
        }
        return ForwardContext(
            tape: tape, parameters: store.bindings, regions: regions, attention: attention, blocks: blocks,
            dropout: dropout, recomputation: recomputation)
    }
}
