import Numerics

extension CheckpointFolder {
    /// The checkpoints that a run may go on from, the best first.
    public struct Candidates: Sendable {
        /// The latest, then those before it by falling step. Those after it come last: they belong to a run that was
        /// taken back to an earlier step.
        public let entries: [Entry]
        /// What is wrong with the file `latest`, where it cannot be used; the newest checkpoint then stands for it.
        public let warning: String?
    }

    /// Looks for checkpoints without opening any.
    public func candidates() throws -> Candidates {
        let rising = try entries()
        var latestStep = Int.max
        var warning: String?
        do {
            latestStep = try latest()?.step ?? latestStep
        } catch {
            let problem = (error as? ApusError)?.problem ?? String(describing: error)
            warning = "\(problem); using the newest checkpoint"
        }
        let falling = rising.reversed()
        return Candidates(
            entries: falling.filter { $0.step <= latestStep } + falling.filter { $0.step > latestStep },
            warning: rising.isEmpty ? nil : warning)
    }

    /// The checkpoint to fall back on: the latest where it is intact, otherwise the newest intact one before it.
    ///
    /// Reads every byte of those it looks at.
    /// - Returns: the intact one, if there is any, and what is wrong with each that was passed over.
    public func newestIntact() throws -> (intact: Entry?, damaged: [(entry: Entry, damage: [ApusError])]) {
        var damaged: [(entry: Entry, damage: [ApusError])] = []
        for entry in try candidates().entries {
            let damage = CheckpointReader.verify(stepFolder: entry.path, fileSystem: fileSystem)
            if damage.isEmpty { return (entry, damaged) }
            damaged.append((entry, damage))
        }
        return (nil, damaged)
    }
}
