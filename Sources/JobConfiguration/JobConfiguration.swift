import Models
import Optimization
import Parallelism

/// A training job: everything that decides what a run computes, and where it runs.
///
/// Decoded from YAML by `JobConfiguration.load`; each section's field names are the document's keys. Paths in a job are
/// relative to the working directory, as those on a command line are.
public struct JobConfiguration: Hashable, Sendable {
    /// Names the run; the default output folder is `runs/<name>`.
    public var name: String
    /// Decides initial weights, dropout and data order, whatever the layout.
    public var seed: UInt64 = 1337
    public var model: ModelConfiguration
    public var data: DataConfiguration
    public var training: TrainingConfiguration
    public var optimizer = OptimizerConfiguration()
    public var parallelism = MeshConfiguration()
    /// `parallelism.data: auto`: the data degree is whatever fills the ranks that are started. `parallelism.data` says
    /// nothing until `resolved(worldSize:)` has set it.
    public var fillsRanks = false
    public var gradientExchange = GradientExchangeConfiguration()
    public var pipeline = PipelineConfiguration()
    /// `parallelism.sequence` and `parallelism.contextAttention`.
    public var activationSplit = ActivationSplit()
    public var evaluation = EvaluationConfiguration()
    public var checkpoint = CheckpointConfiguration()
    public var guards = GuardsConfiguration()
    public var launch = LaunchConfiguration()
    public var supervision = SupervisionConfiguration()
    /// Folder of the run: metrics, resolved job, loss curve, `checkpoints/`.
    public var output: String

    public init(
        name: String, model: ModelConfiguration, data: DataConfiguration, training: TrainingConfiguration,
        output: String? = nil
    ) {
        self.name = name
        self.model = model
        self.data = data
        self.training = training
        self.output = output ?? "runs/\(name)"
    }
}

public struct DataConfiguration: Hashable, Sendable {
    /// Token shards to train on: path prefixes of Megatron `.bin`/`.idx` pairs, or llm.c / nanoGPT `.bin` files.
    public var train: [String]
    /// Token shards to validate on; empty for none.
    public var validation: [String] = []
    /// The `tokenizer.json` that the shards were made with; checked against the model's vocabulary.
    public var tokenizer: String?

    public init(train: [String]) { self.train = train }
}

public struct TrainingConfiguration: Hashable, Sendable {
    /// Optimizer steps.
    public var steps: Int
    /// Sequences in one optimizer step, over all ranks.
    public var globalBatchSize: Int
    /// Sequences in one forward and backward pass of one data-parallel rank.
    public var microBatchSize: Int
    /// Tokens in a training sequence; the model's context length unless stated.
    public var sequenceLength: Int
    /// Which activations are computed again in the backward pass instead of being kept.
    public var recomputation: Recomputation = .selective
    /// What the bits of the run may depend on.
    public var determinism: DeterminismPolicy = .automatic
    /// Steps between two comparisons of the copies of parameters and moments that hosts hold; 0 for none.
    public var replicaCheckEvery: Int = 0
    /// Steps between two lines of metrics.
    public var logEvery: Int = 10

    public init(steps: Int, globalBatchSize: Int, microBatchSize: Int, sequenceLength: Int) {
        self.steps = steps
        self.globalBatchSize = globalBatchSize
        self.microBatchSize = microBatchSize
        self.sequenceLength = sequenceLength
    }
}

public struct EvaluationConfiguration: Hashable, Sendable {
    /// Steps between two validations; 0 for none but the last.
    public var every: Int = 100
    /// Sequences of the validation set that are evaluated.
    public var samples: Int = 64

    public init() {}
}

public struct CheckpointConfiguration: Hashable, Sendable {
    /// Steps between two saves; 0 saves only at the end.
    public var every: Int = 100
    /// The newest checkpoints that are kept.
    public var keepLast: Int = 2
    /// Checkpoints at multiples of this step are kept for ever; 0 for none.
    public var keepEvery: Int = 0
    public var resume: Resume = .automatic
    public var mode: Mode = .asynchronous
    public var onFailure: FailurePolicy = .stop
    /// Where each host keeps copies of its part of the state, and of its neighbour's; nil for nowhere. `{host}` stands
    /// for the host's name.
    public var localFolder: String?
    /// Steps between two such copies; 0 for none.
    public var localEvery: Int = 0

    public enum Mode: String, CaseIterable, Hashable, Sendable {
        /// Training goes on while a copy of the state is written; the copy takes as much memory as the state.
        case asynchronous
        /// Training waits until the checkpoint is complete; needs no memory.
        case synchronous
    }

    /// What a save that fails means: a full or read-only disk, a quota, a folder that is gone.
    public enum FailurePolicy: String, CaseIterable, Hashable, Sendable {
        /// The run ends with an error.
        case stop
        /// The run goes on and saves again when the next save is due; only the last save must work.
        case `continue`
    }

    public enum Resume: Hashable, Sendable {
        /// Go on from the run's latest checkpoint if there is one.
        case automatic
        /// Refuse to start where the run's folder already holds checkpoints.
        case never
        /// Go on from this checkpoint folder.
        case from(String)
    }

    public init() {}
}

/// What happens when the numbers of a step are not what they should be. Every case is recorded in the metrics.
public struct GuardsConfiguration: Hashable, Sendable {
    /// A loss or gradient norm that is infinite or no number.
    public var onNonFinite: NonFinitePolicy = .stop
    /// A loss far above those before it.
    public var onSpike: SpikePolicy = .ignore
    /// Past losses that a loss is compared with; none is a spike before there are as many.
    public var window: Int = 128
    /// Standard deviations above the window's mean from which on a loss is a spike; 0 looks for none.
    public var spikeThreshold: Float = 0
    /// How far a rollback goes: 1 for the newest checkpoint, 2 for the one before it, and so on.
    public var rollbackCheckpoints: Int = 1
    /// Rollbacks in the whole run; one more stops it.
    public var maxRollbacks: Int = 3
    /// Skipped updates in a row; one more stops the run.
    public var maxSkips: Int = 10

    public enum NonFinitePolicy: String, CaseIterable, Hashable, Sendable {
        /// End the run with an error; the newest checkpoint stays.
        case stop
        /// Leave the weights as they are and go on with the next step and its data.
        case skip
        /// Go on from an earlier checkpoint, with the data after the step.
        case rollback
    }

    public enum SpikePolicy: String, CaseIterable, Hashable, Sendable {
        /// Only record it.
        case ignore
        case stop, skip, rollback
    }

    public init() {}
}

public struct LaunchConfiguration: Hashable, Sendable {
    /// Threads of each rank; 0 divides the cores of a host among its ranks.
    public var threadsPerRank: Int = 0
    /// An Open MPI hostfile; nil runs on this machine, or on the scheduler's allocation.
    public var hostfile: String?
    /// Arguments handed to `mpirun` as they are.
    public var mpirunArguments: [String] = []
    /// The IPv4 address of the coordinator's host at which workers reach it; nil chooses loopback where all ranks are on
    /// this host, and otherwise the interface that faces the other hosts.
    public var controlAddress: String?
    /// Seconds after which the run stops by itself, early enough to have saved by then; 0 for never.
    public var walltimeSeconds: Int = 0

    public init() {}
}
