import Optimization
import Parallelism

// The keys of a job document, section by section. Upper bounds are far above any real job: they keep products of sizes
// within 64 bits, so that a slip of the finger is an error message and not an overflow.

extension JobConfiguration: Section {
    static var fields: [Field<JobConfiguration>] {
        [
            .runName,
            .seed,
            .model,
            .section("data", \.data, required: true, "where the tokens are"),
            .section("training", \.training, required: true, "how long and on how much at once to train"),
            .section("optimizer", \.optimizer, "AdamW and its learning-rate schedule"),
            .section("parallelism", \.parallelismSection, "how the ranks share the work"),
            .section("evaluation", \.evaluation, "validation while training"),
            .section("checkpoint", \.checkpoint, "when to save, what to keep and where to go on from"),
            .section("guards", \.guards, "what happens when numbers are not finite or the loss jumps"),
            .section("launch", \.launch, "how the ranks are started"),
            .section("supervision", \.supervision, "what happens when ranks die or hang"),
            .string("output", \.output, "the folder of the run"),
        ]
    }
}

extension DataConfiguration: Section {
    static var fields: [Field<DataConfiguration>] {
        [
            .strings(
                "train", \.train, required: true,
                "the token shards to train on: prefixes of .bin/.idx pairs, or .bin files of llm.c or nanoGPT"),
            .strings("validation", \.validation, "the token shards to validate on"),
            .optionalString("tokenizer", \.tokenizer, "the tokenizer.json that the shards were made with"),
        ]
    }
}

extension TrainingConfiguration: Section {
    static var fields: [Field<TrainingConfiguration>] {
        [
            .integer("steps", \.steps, 1...1_000_000_000, required: true, "the number of optimizer steps"),
            .integer(
                "globalBatchSize", \.globalBatchSize, 1...1_000_000, required: true,
                "the number of sequences in one optimizer step, over all ranks"),
            .integer(
                "microBatchSize", \.microBatchSize, 1...1_000_000, required: true,
                "the number of sequences in one forward and backward pass of one data-parallel rank"),
            .integer(
                "sequenceLength", \.sequenceLength, 1...16_777_216,
                "the number of tokens in a training sequence; the model's context length unless given"),
            .choice(
                "recomputation", \.recomputation,
                "which activations the backward pass computes again to save memory; the results are the same"),
            .choice(
                "determinism", \.determinism,
                "topology gives the same bits on any number of replicas and threads, fast on the same; auto prefers topology"
            ),
            .integer(
                "replicaCheckEvery", \.replicaCheckEvery, 0...1_000_000_000,
                "the number of steps between two comparisons of the hosts' copies of the parameters; 0 for none"),
            .integer("logEvery", \.logEvery, 1...1_000_000_000, "the number of steps between two lines of metrics"),
        ]
    }
}

extension OptimizerConfiguration: Section {
    static var fields: [Field<OptimizerConfiguration>] {
        [
            .number("learningRate", \.learningRate, .positive, "the peak learning rate"),
            .number("beta1", \.beta1, .belowOne, "the decay of the first moment"),
            .number("beta2", \.beta2, .belowOne, "the decay of the second moment"),
            .number("epsilon", \.epsilon, .positive, "the term that keeps the update finite where the moment is small"),
            .number("weightDecay", \.weightDecay, .notNegative, "the decay of matrices; biases and norms have none"),
            .number("gradientClip", \.gradientClip, .notNegative, "the largest global gradient norm; 0 for any"),
            .choice(
                "momentPrecision", \.momentPrecision, "the precision in which the moments are stored between steps"),
            .section("schedule", \.schedule, "how the learning rate changes"),
        ]
    }
}

extension ScheduleConfiguration: Section {
    static var fields: [Field<ScheduleConfiguration>] {
        [
            .choice("kind", \.kind, "the shape after warm-up"),
            .integer("warmupSteps", \.warmupSteps, 0...1_000_000_000, "the number of steps of linear rise from 0"),
            .number("finalFraction", \.finalFraction, .fraction, "where decay ends, as a fraction of the peak rate"),
            .integer(
                "decaySteps", \.decaySteps, 0...1_000_000_000,
                "the number of steps of decay at the end of warmup-stable-decay"),
        ]
    }
}

/// `parallelism` as the document has it: the mesh, whether its data degree is left open, how micro-batches pass through a
/// pipeline, how replicas exchange gradients, and how activations are divided.
struct ParallelismSection: Section {
    var mesh: MeshConfiguration
    var fillsRanks: Bool
    var pipeline: PipelineConfiguration
    var exchange: GradientExchangeConfiguration
    var activations: ActivationSplit

    static var fields: [Field<ParallelismSection>] {
        let about = "the number of replicas of the model; 'auto' for as many as the ranks allow"
        return [
            Field(key: "data", about: about) { node, owner, path, context in
                owner.fillsRanks = context.plainText(node) == "auto"
                guard !owner.fillsRanks else { return }
                if let value = context.integer(node, at: path, in: 1...1_000_000, orWord: "auto", about: about) {
                    owner.mesh.data = value
                }
            } print: {
                .line($0.fillsRanks ? "auto" : String($0.mesh.data))
            },
            .integer("context", \.mesh.context, 1...1_000_000, "the number of ranks that every sequence is cut over"),
            .integer("tensor", \.mesh.tensor, 1...1_000_000, "the number of ranks that share every layer's weights"),
            .integer(
                "pipeline", \.mesh.pipeline, 1...1_000_000, "the number of stages that share the model's blocks"),
            .choice("schedule", \.pipeline.schedule, "in which order the stages of a pipeline run micro-batches"),
            .integer(
                "virtualStages", \.pipeline.virtualStages, 1...1_000_000,
                "the parts of the model on each stage of an interleaved schedule"),
            .boolean(
                "sequence", \.activations.sequence,
                "whether tensor-parallel ranks also share out the tokens of norms, dropout and the residual stream"),
            .choice(
                "contextAttention", \.activations.contextAttention,
                "how the parts of a sequence attend to each other: keys and values go round, or tokens are exchanged for "
                    + "heads"),
            .choice(
                "overlap", \.exchange.overlap,
                "whether gradients are exchanged while the backward pass goes on; auto does so between hosts"),
            .choice(
                "gradientExchange", \.exchange.wireFormat,
                "what gradients travel as between hosts; bfloat16 halves the bytes and rounds"),
        ]
    }
}

extension JobConfiguration {
    var parallelismSection: ParallelismSection {
        get {
            ParallelismSection(
                mesh: parallelism, fillsRanks: fillsRanks, pipeline: pipeline, exchange: gradientExchange,
                activations: activationSplit)
        }
        set {
            parallelism = newValue.mesh
            fillsRanks = newValue.fillsRanks
            pipeline = newValue.pipeline
            gradientExchange = newValue.exchange
            activationSplit = newValue.activations
        }
    }
}

extension EvaluationConfiguration: Section {
    static var fields: [Field<EvaluationConfiguration>] {
        [
            .integer(
                "every", \.every, 0...1_000_000_000, "the number of steps between two validations; 0 for only the last"),
            .integer("samples", \.samples, 1...1_000_000_000, "the number of validation sequences that are evaluated"),
        ]
    }
}

extension CheckpointConfiguration: Section {
    static var fields: [Field<CheckpointConfiguration>] {
        [
            .integer("every", \.every, 0...1_000_000_000, "the number of steps between two saves; 0 for only the last"),
            .integer("keepLast", \.keepLast, 1...1_000_000, "the number of newest checkpoints that are kept"),
            .integer(
                "keepEvery", \.keepEvery, 0...1_000_000_000,
                "checkpoints at multiples of this step are kept for ever; 0 for none"),
            .resume,
            .choice(
                "mode", \.mode,
                "whether training goes on while a checkpoint is written, which takes a copy of the state in memory"),
            .choice("onFailure", \.onFailure, "whether a save that fails ends the run"),
            .optionalString(
                "localFolder", \.localFolder,
                "a folder that each host has for itself, for copies of its part of the state and of its neighbour's"),
            .integer("localEvery", \.localEvery, 0...1_000_000_000, "the number of steps between two such copies"),
        ]
    }
}

extension GuardsConfiguration: Section {
    static var fields: [Field<GuardsConfiguration>] {
        [
            .choice("onNonFinite", \.onNonFinite, "what to do when a loss or gradient norm is infinite or no number"),
            .choice("onSpike", \.onSpike, "what to do when a loss is far above those before it"),
            .integer("window", \.window, 2...10_000, "the number of past losses that a loss is compared with"),
            .number(
                "spikeThreshold", \.spikeThreshold, .notNegative,
                "the standard deviations above the mean from which on a loss is a spike; 0 looks for none"),
            .integer(
                "rollbackCheckpoints", \.rollbackCheckpoints, 1...1_000_000,
                "how many checkpoints a rollback goes back; 1 for the newest"),
            .integer("maxRollbacks", \.maxRollbacks, 0...1_000_000, "the number of rollbacks before the run stops"),
            .integer("maxSkips", \.maxSkips, 0...1_000_000, "the number of skips in a row before the run stops"),
        ]
    }
}

extension LaunchConfiguration: Section {
    static var fields: [Field<LaunchConfiguration>] {
        [
            .integer(
                "threadsPerRank", \.threadsPerRank, 0...4096,
                "the number of threads of each rank; 0 divides the cores of a host among its ranks"),
            .optionalString("hostfile", \.hostfile, "an Open MPI hostfile; none runs here or on Slurm's allocation"),
            .strings("mpirunArguments", \.mpirunArguments, "arguments handed to mpirun as they are"),
            .optionalString(
                "controlAddress", \.controlAddress,
                "the IPv4 address of the coordinator's host at which workers reach it; chosen by itself unless given"),
            .integer(
                "walltimeSeconds", \.walltimeSeconds, 0...1_000_000_000,
                "the seconds after which the run has saved and stopped; 0 for no limit"),
        ]
    }
}

extension Field where Owner == JobConfiguration {
    fileprivate static var runName: Field {
        let about = "the name of the run; its folder is runs/<name>"
        return Field(key: "name", about: about, isRequired: true) { node, job, path, context in
            guard let text = context.text(node, at: path, about: about) else { return }
            if text.hasPrefix(".") || text.contains("/") || text.contains("\0") {
                context.reject(node, path, expected: "a name without '/' and not beginning with '.'", about: about)
            } else {
                job.name = text
            }
        } print: {
            .line(printedString($0.name))
        }
    }

    fileprivate static var seed: Field {
        let about = "what decides initial weights, dropout and data order, whatever the layout"
        return Field(key: "seed", about: about) { node, job, path, context in
            if let value = context.plainText(node).flatMap({ UInt64($0.filter { $0 != "_" }) }) {
                job.seed = value
            } else {
                context.reject(
                    node, path, expected: "a whole number from 0 to 18,446,744,073,709,551,615", about: about)
            }
        } print: {
            .line(String($0.seed))
        }
    }
}

extension Field where Owner == CheckpointConfiguration {
    fileprivate static var resume: Field {
        let about = "where to go on from: auto (the run's latest checkpoint, if any), never, or a checkpoint's folder"
        return Field(key: "resume", about: about) { node, checkpoint, path, context in
            switch context.text(node, at: path, about: about) {
            case "auto": checkpoint.resume = .automatic
            case "never": checkpoint.resume = .never
            case let folder?: checkpoint.resume = .from(folder)
            case nil: break
            }
        } print: {
            switch $0.resume {
            case .automatic: .line("auto")
            case .never: .line("never")
            // A folder with the name of a word is still a folder.
            case .from(let folder) where folder == "auto" || folder == "never": .line("./\(folder)")
            case .from(let folder): .line(printedString(folder))
            }
        }
    }
}
