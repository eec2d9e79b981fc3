/// In which order the gradients of a global batch's micro-batches are added, and so what the bits of a run depend on.
public enum Determinism: String, Hashable, Sendable, CaseIterable {
    /// Along one binary tree over all micro-batches of a step, whichever ranks have them: the same bits for any number of
    /// replicas and threads. Takes a buffer of the gradients' size for each doubling of a rank's micro-batches.
    case topology
    /// Those of a rank one after the other, within the matrix products, then those of all ranks: the same bits for the
    /// same ranks.
    case fast

    /// Whether the micro-batches of each rank make up nodes of the whole batch's tree.
    ///
    /// - Parameters:
    ///   - microBatches: How many each of `ranks` data-parallel ranks has in a step.
    public func allows(microBatches: Int, ranks: Int) -> Bool {
        self == .fast || ranks == 1 || microBatches.nonzeroBitCount == 1
    }
}
