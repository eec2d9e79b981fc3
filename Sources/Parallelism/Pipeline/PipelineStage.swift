import Autograd
import Collectives
import Models
import Numerics

/// One rank's walk through a pipeline schedule: runs its parts of the model, and exchanges activations and their
/// gradients with the stages before and after.
///
/// A pipeline of one stage is walked the same way, without messages. Messages are asynchronous: a receive begins where
/// the schedule has it and is waited for by the computation that needs it; a send is waited for when its memory is
/// needed, which the schedule's order allows without deadlock.
///
/// The loss of a micro-batch is computed at the beginning of its backward pass, so that everything that adds to
/// parameters' gradients lies in backward passes, in the order of micro-batches.
public final class PipelineStage {
    public let partition: ModelPartition
    public let configuration: PipelineConfiguration

    private let decoder: Decoder
    /// The stages, this one among them.
    private let peers: any Communicator
    /// Decide which rows of activations stages have.
    private let regions: any TensorRegions
    private let tape: Tape
    private let accumulation: GradientAccumulation
    private var schedule: PipelineSchedule
    /// By part of this stage and micro-batch.
    private var flights: [Flight] = []
    private var batches: [TokenBatch?] = []
    /// Those that no flight uses.
    private var recordings: [Recording] = []
    private var deferrals: [DeferredGradients] = []
    /// For each of this stage's parts a gradient on its way to the stage before.
    private var outgoing: [Outgoing?]
    /// What the steps so far took of this stage.
    public private(set) var times = Times()

    /// Seconds from the first to the last action of steps, and those of them that were spent waiting for messages.
    public struct Times: Hashable, Sendable {
        public init() {}

        public var running = 0.0
        public var waiting = 0.0
    }

    /// Where a micro-batch stands in one part.
    private struct Flight {
        var recording: Recording?
        var deferral: DeferredGradients?
        var input: Tensor?
        var output: Tensor?
        var outputValue: UnsafeMutablePointer<Float>?
        var sending: Transfer?
        /// The part's input and the gradient of its output, from when their receives begin.
        var incoming: Incoming?
        var incomingGradient: Incoming?
        var inputGradient: UnsafeMutablePointer<Float>?
    }

    private struct Incoming {
        var transfer: Transfer
        var memory: UnsafeMutablePointer<Float>
    }

    private struct Outgoing {
        var transfer: Transfer
        var memory: UnsafeMutablePointer<Float>
        var count: Int
    }

    private static let activationTag = 0
    private static let gradientTag = 1
    private static let activations = "activations"
    private static let gradients = "gradients of activations"

    /// - Parameters:
    ///   - partition: As many parts as there are stages and virtual stages.
    ///   - peers: The ranks along the pipeline.
    public init(
        _ decoder: Decoder, _ partition: ModelPartition, _ configuration: PipelineConfiguration,
        peers: any Communicator, regions: any TensorRegions, tape: Tape, accumulation: GradientAccumulation
    ) {
        precondition(partition.parts.count == peers.size * configuration.virtualStages)
        self.decoder = decoder
        self.partition = partition
        self.configuration = configuration
        self.peers = peers
        self.regions = regions
        self.tape = tape
        self.accumulation = accumulation
        schedule = PipelineSchedule(
            configuration.schedule,
            PipelineShape(stages: peers.size, virtualStages: configuration.virtualStages, microBatches: 0), actions: [])
        outgoing = Array(repeating: nil, count: configuration.virtualStages)
    }

    /// Whether losses are computed here.
    public var isLast: Bool { peers.rank == peers.size - 1 }

    /// Runs a step's micro-batches forward and backward; what they add to gradients is complete afterwards.
    ///
    /// - Parameters:
    ///   - lossScale: What each token's loss is multiplied by.
    ///   - losses: Receives each micro-batch's loss, on the last stage.
    ///   - context: The context of a micro-batch's layers.
    ///   - willComplete: Called before the first backward pass of the last micro-batch, unless gradients of weights come
    ///     later.
    ///   - microBatch: Must stay where it is until the end of the step.
    public func run(
        microBatches count: Int, lossScale: Float, losses: UnsafeMutableBufferPointer<Double>,
        context: (TokenBatch) -> ForwardContext, willComplete: () -> Void, microBatch: (Int) throws -> TokenBatch
    ) rethrows {
        prepare(microBatches: count)
        let start = Profiler.now
        defer { times.running += Double(Profiler.now - start) * 1e-9 }
        accumulation.begin(microBatches: count)
        for action in schedule.actions[peers.rank] {
            let index = action.microBatch
            if batches[index] == nil { batches[index] = try profiled("data") { try microBatch(index) } }
            let batch = batches[index]!
            switch action.kind {
            case .forward: forward(action, batch, context(batch))
            case .backward, .backwardInput:
                if action.kind == .backward, index == count - 1, action.part / peers.size == outgoing.count - 1 {
                    willComplete()
                }
                backward(action, batch, lossScale: lossScale, losses: losses, context(batch))
            case .backwardWeight: backwardWeight(action)
            case .receiveActivations: flights[flight(action)].incoming = startReceive(action, batch)
            case .receiveGradients: flights[flight(action)].incomingGradient = startReceive(action, batch)
            case .sendActivations: sendActivations(action)
            case .sendGradients: sendGradients(action)
            }
        }
        for part in outgoing.indices { finishOutgoing(part) }
        accumulation.complete()
    }

    private func prepare(microBatches count: Int) {
        if schedule.shape.microBatches != count {
            var shape = schedule.shape
            shape.microBatches = count
            schedule = PipelineSchedule(configuration.schedule, shape)
            do { try schedule.check() } catch { preconditionFailure("\(error)") }
            flights = Array(repeating: Flight(), count: count * configuration.virtualStages)
            batches = Array(repeating: nil, count: count)
        }
        for index in batches.indices { batches[index] = nil }
    }

    private func flight(_ action: PipelineAction) -> Int {
        action.part / peers.size * schedule.shape.microBatches + action.microBatch
    }

    private func profiled<Result>(_ phase: StaticString, _ body: () throws -> Result) rethrows -> Result {
        try Profiler.span(.phase, phase, pool: tape.pool, body)
    }

    // MARK: Computations

    private func forward(_ action: PipelineAction, _ batch: TokenBatch, _ context: ForwardContext) {
        let (part, flight) = (partition.parts[action.part], flight(action))
        let incoming = flights[flight].incoming.map { finish($0) }
        profiled("forward") {
            var x: Tensor
            if let incoming {
                x = tape.adoptTensor(incoming, rows: rows(of: batch), columns: decoder.configuration.hiddenSize)
                flights[flight].input = x
            } else {
                x = decoder.embed(batch, context)
            }
            x = decoder.run(part.blocks, x, of: batch, context)
            flights[flight].output = x
            flights[flight].outputValue = tape.value(x)
        }
        let recording = recordings.popLast() ?? Recording()
        tape.exchangeRecording(with: recording)
        flights[flight].recording = recording
        flights[flight].incoming = nil
    }

    private func backward(
        _ action: PipelineAction, _ batch: TokenBatch, lossScale: Float, losses: UnsafeMutableBufferPointer<Double>,
        _ context: ForwardContext
    ) {
        let flight = flight(action)
        let output = flights[flight].output!
        if let recording = flights[flight].recording.take() {
            tape.exchangeRecording(with: recording)
            recordings.append(recording)
        }
        accumulation.take(microBatch: action.microBatch)
        if partition.parts[action.part].predicts {
            losses[action.microBatch] = profiled("loss") {
                decoder.loss(of: output, batch, scale: lossScale, context)
            }
        } else {
            if let sending = flights[flight].sending.take() { finish(sending, Self.activations) }
            tape.giveGradient(finish(flights[flight].incomingGradient.take()!, Self.gradients), to: output)
        }
        if action.kind == .backwardInput {
            let list = deferrals.popLast() ?? DeferredGradients()
            flights[flight].deferral = list
            tape.deferral = list
        }
        profiled("backward") {
            if let input = flights[flight].input.take() {
                flights[flight].inputGradient = tape.backward(takingGradientOf: input)
            } else {
                tape.backward()
            }
        }
        tape.deferral = nil
    }

    private func backwardWeight(_ action: PipelineAction) {
        guard let list = flights[flight(action)].deferral.take() else { return }
        accumulation.take(microBatch: action.microBatch)
        profiled("weight gradients") { tape.run(list) }
        deferrals.append(list)
    }

    // MARK: Messages

    /// Of a micro-batch's activations between stages.
    private func rows(of batch: TokenBatch) -> Int { regions.rows(of: batch.tokens.count).count }

    private func startReceive(_ action: PipelineAction, _ batch: TokenBatch) -> Incoming {
        let isForward = action.kind == .receiveActivations
        let count = rows(of: batch) * decoder.configuration.hiddenSize
        let memory = tape.arena.allocate(count)
        let transfer = peers.startReceive(
            UnsafeMutableRawBufferPointer(start: memory, count: count * MemoryLayout<Float>.stride),
            from: schedule.shape.stage(of: action.part + (isForward ? -1 : 1) + peers.size),
            tag: isForward ? Self.activationTag : Self.gradientTag,
            label: isForward ? Self.activations : Self.gradients)
        return Incoming(transfer: transfer, memory: memory)
    }

    private func finish(_ incoming: Incoming, _ label: String = activations) -> UnsafeMutablePointer<Float> {
        finish(incoming.transfer, label)
        return incoming.memory
    }

    private func finish(_ transfer: Transfer, _ label: String) {
        let start = Profiler.now
        peers.finish(transfer, label: label)
        times.waiting += Double(Profiler.now - start) * 1e-9
    }

    private func sendActivations(_ action: PipelineAction) {
        let flight = flight(action)
        flights[flight].sending = startSend(
            flights[flight].outputValue!, count: flights[flight].output!.count, to: action.part + 1,
            tag: Self.activationTag, label: Self.activations)
    }

    private func sendGradients(_ action: PipelineAction) {
        let part = action.part / peers.size
        finishOutgoing(part)
        let memory = flights[flight(action)].inputGradient.take()!
        let count = rows(of: batches[action.microBatch]!) * decoder.configuration.hiddenSize
        let transfer = startSend(
            memory, count: count, to: action.part - 1, tag: Self.gradientTag, label: Self.gradients)
        outgoing[part] = Outgoing(transfer: transfer, memory: memory, count: count)
    }

    private func startSend(
        _ memory: UnsafeMutablePointer<Float>, count: Int, to part: Int, tag: Int, label: String
    ) -> Transfer {
        peers.startSend(
            UnsafeRawBufferPointer(start: memory, count: count * MemoryLayout<Float>.stride),
            to: schedule.shape.stage(of: part + peers.size), tag: tag, label: label)
    }

    private func finishOutgoing(_ part: Int) {
        guard let outgoing = outgoing[part].take() else { return }
        finish(outgoing.transfer, Self.gradients)
        tape.arena.release(outgoing.memory, count: outgoing.count)
    }

    // MARK: Evaluation

    /// Sum over the batch of each token's loss, without gradients, on the last stage; 0 on the others. Collective over the
    /// stages.
    public func evaluate(_ batch: TokenBatch, _ context: ForwardContext) -> Double {
        tape.isRecording = false
        defer { tape.isRecording = true }
        var loss = 0.0
        for index in schedule.shape.parts(of: peers.rank) {
            let part = partition.parts[index]
            var x: Tensor
            if part.embeds {
                x = decoder.embed(batch, context)
            } else {
                let action = PipelineAction(.receiveActivations, microBatch: 0, part: index)
                let memory = finish(startReceive(action, batch))
                x = tape.adoptTensor(memory, rows: rows(of: batch), columns: decoder.configuration.hiddenSize)
            }
            x = decoder.run(part.blocks, x, of: batch, context)
            if part.predicts {
                loss = decoder.loss(of: x, batch, scale: 1, context)
            } else {
                let transfer = startSend(
                    tape.value(x), count: x.count, to: index + 1, tag: Self.activationTag, label: Self.activations)
                finish(transfer, Self.activations)
            }
            tape.reset()
        }
        return loss
    }
}
