import Autograd
import Collectives
import Foundation
import Kernels
import Models
import Numerics
import Optimization
import Parallelism
import Training

/// Times whole training steps (forward, backward, gradient exchange, clipping, AdamW) on random tokens.
public struct TrainingBenchmark: Sendable {
    public var model: ModelConfiguration
    public var sequenceLength: Int
    /// Sequences in a step over all data-parallel ranks.
    public var batchSize: Int
    public var mesh: MeshConfiguration
    public var recomputation: Recomputation
    public var exchange = GradientExchangeConfiguration()
    public var momentPrecision: MomentPrecision
    /// Micro-batches that each replica's part of a step is cut into.
    public var accumulation = 1
    public var determinism = Determinism.fast
    public var pipeline = PipelineConfiguration()
    public var activations = ActivationSplit()
    /// Steps that are timed, after `warmUpSteps` that are not.
    public var steps: Int
    public var warmUpSteps = 2

    public init(
        model: ModelConfiguration, sequenceLength: Int, batchSize: Int, mesh: MeshConfiguration,
        recomputation: Recomputation = .selective, momentPrecision: MomentPrecision = .float32, steps: Int
    ) {
        self.model = model
        self.sequenceLength = sequenceLength
        self.batchSize = batchSize
        self.mesh = mesh
        self.recomputation = recomputation
        self.momentPrecision = momentPrecision
        self.steps = steps
    }

    /// Collective over `world`; every rank gets the result.
    ///
    /// - Parameter profile: Is told of every step, and has its table afterwards.
    public func run(
        world: any Communicator, pool: ThreadPool, profile: StepProfile? = nil
    ) -> TrainingBenchmarkResult {
        let peak = measurePeak(world: world, pool: pool)
        let mesh = Mesh(mesh, world: world)
        var optimizer = OptimizerConfiguration()
        optimizer.momentPrecision = momentPrecision
        let engine = TrainingEngine(
            model: model, optimizer: optimizer, seed: 1, mesh: mesh, pool: pool,
            exchange: exchange, recomputation: recomputation, determinism: determinism, activations: activations,
            pipeline: pipeline, sequenceLength: sequenceLength)
        let batch = RandomTokens(
            vocabularySize: model.vocabularySize, batchSize: batchSize / mesh.configuration.batchParts / accumulation,
            sequenceLength: sequenceLength, positions: mesh.positions(sequenceLength: sequenceLength),
            firstSample: mesh.batchPart * batchSize / mesh.configuration.batchParts)
        let tokensPerStep = batchSize * sequenceLength

        var seconds: [Double] = []
        var loss = 0.0
        var faults = 0
        var timesBefore = PipelineStage.Times()
        for step in 0..<warmUpSteps + steps {
            profile?.stepBegins(step + 1)
            let faultsBefore = ProcessMemory.pageFaults
            if step == warmUpSteps { timesBefore = engine.pipelineTimes }
            world.barrier(label: "benchmark step")
            let start = ContinuousClock.now
            loss =
                engine.step(
                    microBatches: accumulation, tokensPerStep: tokensPerStep, step: step, learningRate: 1e-4,
                    microBatch: { _ in batch.tokenBatch }
                ).loss
            world.barrier(label: "benchmark step")
            if step >= warmUpSteps {
                seconds.append((ContinuousClock.now - start) / .seconds(1))
                faults += ProcessMemory.pageFaults - faultsBefore
            }
            profile?.stepEnded(step + 1)
        }
        profile?.finish()
        let median = seconds.sorted()[seconds.count / 2]
        let rate = model.trainingFLOPs(tokens: tokensPerStep, sequenceLength: sequenceLength) / median / 1e9
        var memory = [ProcessMemory.peakMiB, Double(faults)]
        memory.withUnsafeMutableBufferPointer { world.allReduce($0, .sum, label: "memory and page faults") }
        let bubble = measuredBubble(engine.pipelineTimes, since: timesBefore, world: world)
        return TrainingBenchmarkResult(
            tokensPerSecond: Double(tokensPerStep) / median, stepSeconds: median, fastestStepSeconds: seconds.min()!,
            slowestStepSeconds: seconds.max()!, modelGFLOPs: rate, peakGFLOPs: peak, peakShare: rate / peak,
            peakRSSMiB: memory[0], peakActivationMiB: Double(engine.tape.arena.peakBytesInUse) / 1_048_576,
            reservedActivationMiB: Double(engine.tape.arena.bytesReserved) / 1_048_576,
            pageFaultsPerStep: memory[1] / Double(seconds.count), timedSteps: seconds.count,
            warmUpSteps: warmUpSteps, machine: .current, sequenceLength: sequenceLength, batchSize: batchSize,
            mesh: self.mesh.description, parameters: model.parameterCount, ranks: world.size,
            threadsPerRank: pool.threadCount, finalLoss: loss,
            schedule: bubble == nil ? nil : pipeline.schedule.rawValue,
            bubbleFraction: bubble, expectedBubbleFraction: bubble.map { _ in expectedBubble })
    }

    /// The part of the stages' time, from the first action of a step to the last, in which they waited for messages or had
    /// nothing more to do; nil without stages. Collective over `world`.
    private func measuredBubble(
        _ times: PipelineStage.Times, since earlier: PipelineStage.Times, world: any Communicator
    ) -> Double? {
        guard mesh.pipeline > 1 else { return nil }
        let running = times.running - earlier.running
        var longest = [running]
        var busy = [running - (times.waiting - earlier.waiting)]
        longest.withUnsafeMutableBufferPointer { world.allReduce($0, .max, label: "time of the stages") }
        busy.withUnsafeMutableBufferPointer { world.allReduce($0, .sum, label: "time of the stages") }
        return 1 - busy[0] / (longest[0] * Double(world.size))
    }

    /// By the schedule, with the stages' costs.
    private var expectedBubble: Double {
        let shape = PipelineShape(
            stages: mesh.pipeline, virtualStages: pipeline.virtualStages, microBatches: accumulation)
        let partition = ModelPartition(Decoder(model), parts: shape.parts, sequenceLength: sequenceLength)
        return PipelineTimeline(
            of: PipelineSchedule(pipeline.schedule, shape), costs: partition.stageCosts(shape)
        ).bubbleFraction
    }

    /// The fused multiply-add peak of all ranks' threads running at once, GFLOP/s.
    private func measurePeak(world: any Communicator, pool: ThreadPool) -> Double {
        world.barrier(label: "peak measurement")
        var peak = [PeakMeasurement.multiplyAddGFLOPs(threads: pool.threadCount)]
        peak.withUnsafeMutableBufferPointer { world.allReduce($0, .sum, label: "peak measurement") }
        return peak[0]
    }
}

/// What `TrainingBenchmark` measured; the property names are the keys of `--json`.
public struct TrainingBenchmarkResult: Codable, Sendable {
    public var tokensPerSecond: Double
    /// Median of the timed steps.
    public var stepSeconds: Double
    public var fastestStepSeconds: Double
    public var slowestStepSeconds: Double
    /// Model GFLOP/s: 6 × parameters without position table × tokens + 6 × layers × width × context × tokens, a second.
    public var modelGFLOPs: Double
    /// Measured in the same run with register-only fused multiply-adds on all threads.
    public var peakGFLOPs: Double
    public var peakShare: Double
    /// Summed over ranks.
    public var peakRSSMiB: Double
    /// The most that activations, their gradients and scratch memory took at once on rank 0, and what was obtained
    /// from the system for them.
    public var peakActivationMiB: Double
    public var reservedActivationMiB: Double
    /// Minor page faults of the timed steps, summed over ranks: memory that the step touched for the first time.
    public var pageFaultsPerStep: Double
    public var timedSteps: Int
    public var warmUpSteps: Int
    public var machine: BenchmarkMachine
    public var sequenceLength: Int
    /// Sequences in a step over all ranks.
    public var batchSize: Int
    public var mesh: String
    public var parameters: Int
    public var ranks: Int
    public var threadsPerRank: Int
    public var finalLoss: Double
    /// Of a pipeline: in which order its stages run micro-batches.
    public var schedule: String?
    /// The part of the stages' time in which they were idle, and what it would be if messages took no time.
    public var bubbleFraction: Double?
    public var expectedBubbleFraction: Double?
}

/// A micro-batch of random ids that stays the same in every step, or this rank's part of it.
private final class RandomTokens {
    private let tokens: UnsafeMutableBufferPointer<Int32>
    private let targets: UnsafeMutableBufferPointer<Int32>
    private let indices: UnsafeMutableBufferPointer<UInt64>
    private let positions: TokenPositions

    /// - Parameters:
    ///   - sequenceLength: Of the whole.
    ///   - positions: What this rank has of every sequence.
    init(vocabularySize: Int, batchSize: Int, sequenceLength: Int, positions: TokenPositions, firstSample: Int) {
        self.positions = positions
        let count = batchSize * positions.sequenceLength
        tokens = .allocate(capacity: count)
        targets = .allocate(capacity: count)
        indices = .allocate(capacity: batchSize)
        for row in 0..<batchSize {
            indices[row] = UInt64(firstSample + row)
            var start = row * positions.sequenceLength
            for chunk in [positions.chunks.first, positions.chunks.second] where !chunk.isEmpty {
                let elements = start..<start + chunk.count
                let first = (firstSample + row) * sequenceLength + chunk.lowerBound
                fill(.init(rebasing: tokens[elements]), "benchmark tokens", vocabularySize, firstElement: first)
                fill(.init(rebasing: targets[elements]), "benchmark targets", vocabularySize, firstElement: first)
                start += chunk.count
            }
        }
    }

    private func fill(
        _ ids: UnsafeMutableBufferPointer<Int32>, _ name: String, _ vocabularySize: Int, firstElement: Int
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: ids.count) { numbers in
            CounterRandom(seed: 1, name: name).fillUniform(numbers, firstElement: firstElement)
            for (index, number) in numbers.enumerated() {
                ids[index] = Int32(min(Int(number * Float(vocabularySize)), vocabularySize - 1))
            }
        }
    }

    deinit {
        tokens.deallocate()
        targets.deallocate()
        indices.deallocate()
    }

    var tokenBatch: TokenBatch {
        TokenBatch(
            tokens: UnsafeBufferPointer(tokens), targets: UnsafeBufferPointer(targets),
            sampleIndices: UnsafeBufferPointer(indices), positions: positions)
    }
}
