import Parallelism

/// What a job asks of the order in which gradients are added; see `Determinism`.
public enum DeterminismPolicy: String, Hashable, Sendable, CaseIterable {
    /// `topology` where the replicas' micro-batches fit its tree and gradients are not rounded on their way, otherwise
    /// `fast`.
    case automatic = "auto"
    /// A job that `topology` cannot be had for is refused.
    case topology
    case fast
}

extension JobConfiguration {
    /// In which order this job's gradients are added, on its mesh.
    public var determinism: Determinism {
        switch training.determinism {
        case .topology: .topology
        case .fast: .fast
        case .automatic: isFitForTopology && gradientExchange.wireFormat == .float32 ? .topology : .fast
        }
    }

    private var isFitForTopology: Bool {
        Determinism.topology.allows(
            microBatches: training.globalBatchSize / (parallelism.batchParts * training.microBatchSize),
            ranks: parallelism.batchParts)
    }

    /// Set where the replicas' micro-batches do not fit the one tree that `determinism: topology` adds along.
    var determinismConflict: Conflict? {
        let unit = parallelism.batchParts * training.microBatchSize
        let count = training.globalBatchSize / unit
        guard training.determinism == .topology, training.globalBatchSize % unit == 0, !isFitForTopology else {
            return nil
        }
        var power = 1
        while power * 2 < count { power *= 2 }
        return Conflict(
            "training.determinism is topology, but each of the \(parallelism.batchParts) replicas has \(count) "
                + "micro-batches in a step, training.globalBatchSize / (\(batchPartsFormula) × training.microBatchSize) = "
                + "\(training.globalBatchSize) / (\(parallelism.batchParts) × \(training.microBatchSize)), and \(count) "
                + "is not a power of two",
            "set training.globalBatchSize to \(power * unit) or \(2 * power * unit), change the others, or set "
                + "training.determinism to fast")
    }
}
