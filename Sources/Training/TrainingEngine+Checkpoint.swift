import Checkpointing
import Numerics
import Parallelism

extension TrainingEngine {
    /// The tensors that this rank writes: over all ranks, every element of the parameters and moments exactly once.
    ///
    /// Replicas share the work: parameter *i* is written by replica *i* mod their number. A parameter of two pipeline
    /// stages is the first one's.
    public func ownedTensors() -> [CheckpointTensor] {
        namedBuffers(of: store.entries).enumerated().flatMap { index, entry in
            let (position, buffers) = entry
            guard !position.isCopy else { return [CheckpointTensor]() }
            let replicaOwner = index % mesh.replicas.size
            let tensorOwner = position.isReplicated ? index / mesh.replicas.size % mesh.tensor.size : mesh.tensor.rank
            guard replicaOwner == mesh.replicas.rank, tensorOwner == mesh.tensor.rank else {
                return [CheckpointTensor]()
            }
            return buffers.map { name, values in
                CheckpointTensor(
                    name: name, shape: position.specification.shape, slice: position.slice.ranges,
                    values: values)
            }
        }
    }

    /// Reads this rank's slices of every parameter and moment, whatever layout and precision wrote them.
    ///
    /// Replicas of one host have them in common and each read some: all must have returned before any goes on.
    public func load(from reader: CheckpointReader) throws {
        for (entry, buffers) in namedBuffers(of: store.entriesToFill) {
            for (name, values) in buffers {
                try reader.read(name, shape: entry.specification.shape, slice: entry.slice.ranges, into: values)
            }
        }
    }

    /// Parameters and moments by the names that they have in checkpoints.
    func namedBuffers(
        of entries: [ParameterStore.Entry]
    ) -> [(ParameterStore.Entry, [(String, FloatBuffer)])] {
        entries.map { entry in
            let names = Self.tensorNames(of: entry.specification.name)
            return (
                entry,
                [
                    (names[0], .float32(store.values(of: entry))),
                    (names[1], optimizer.firstMoment[entry.range]),
                    (names[2], optimizer.secondMoment[entry.range]),
                ]
            )
        }
    }

    /// What a parameter and its moments are called in checkpoints.
    private static func tensorNames(of parameter: String) -> [String] {
        ["model/\(parameter)", "optimizer/firstMoment/\(parameter)", "optimizer/secondMoment/\(parameter)"]
    }

    /// The tensors of all pipeline stages, in one order on every rank.
    var tensorsOfAllStages: [ReplicaCheck.Subject] {
        let holders = pipeline.partition.holders(of: decoder, stages: mesh[.pipeline].size)
        let plan = ShardingPlan(tensorRank: mesh.tensor.rank, tensorSize: mesh.tensor.size)
        return zip(decoder.declarations.stacks, holders).flatMap { stack, stages in
            stack.flatMap { parameter in
                Self.tensorNames(of: parameter.name).map {
                    ReplicaCheck.Subject(name: $0, isReplicated: plan.isReplicated(parameter), stages: stages)
                }
            }
        }
    }
}
