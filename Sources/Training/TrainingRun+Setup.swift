import Autograd
import Checkpointing
import Collectives
import Foundation
import JobConfiguration
import Numerics
import Observability
import Supervision
import TokenData

extension TrainingRun {
    /// Takes the run for this job alone, on rank 0. Workers whose coordinator died may still be saving there.
    static func lock(_ folders: RunFolders, world: any Communicator) throws -> RunLock? {
        try world.agree(on: "the run's lock") {
            guard world.rank == 0 else { return nil }
            try folders.create()
            return try RunLock.take("workers", inRun: folders.root, patience: .seconds(300)) { holder in
                FileHandle.standardError.write(
                    Data("waiting for an earlier start of this run, \(holder), to end\n".utf8))
            }
        }
    }

    /// Opens the job's shards and checks them against the model.
    static func openData(
        _ job: JobConfiguration, positions: TokenPositions
    ) throws -> (training: BatchLoader, validation: BatchLoader?) {
        func loader(_ sampler: TokenSampler, capacity: Int = 1) -> BatchLoader {
            BatchLoader(
                sampler, positions: positions, microBatchSize: job.training.microBatchSize, capacity: capacity)
        }
        let training = loader(try trainingSampler(of: job), capacity: job.microBatches)
        let validation =
            job.data.validation.isEmpty
            ? nil : loader(try sampler(job.data.validation, of: job, isShuffled: false))
        return (training, validation)
    }

    /// The samples that runs of this job train on, in their order.
    public static func trainingSampler(of job: JobConfiguration) throws -> TokenSampler {
        try sampler(job.data.train, of: job, isShuffled: true)
    }

    private static func sampler(
        _ paths: [String], of job: JobConfiguration, isShuffled: Bool
    ) throws -> TokenSampler {
        try TokenSampler(
            dataset: try TokenDatasetFile.open(paths), sequenceLength: job.training.sequenceLength,
            seed: job.seed, shuffled: isShuffled, vocabularySize: job.model.vocabularySize)
    }

    /// The second tier of checkpoints, if the job has one.
    static func hostCopies(
        _ job: JobConfiguration, _ folders: RunFolders, world: any Communicator
    ) throws -> HostCopies? {
        guard let folder = job.checkpoint.localFolder else { return nil }
        let identifier = try world.shareFirst(on: "the run's identifier") { try folders.identifier() }
        do {
            return try HostCopies(folder, run: identifier, communicator: world)
        } catch let error as ApusError { throw AgreedFailure.everywhere(error) }
    }

    /// Failing, it leaves what there was; training goes on, since the run has its own checkpoints.
    func save(to hostCopies: HostCopies) throws {
        let start = ContinuousClock.now
        do {
            let saved = try hostCopies.save(step: step, tensors: engine.ownedTensors(), state: checkpointState())
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            reporter?.report(
                .checkpoint(
                    CheckpointRecord(
                        step: step, path: saved.entry.path, seconds: seconds, bytes: saved.bytes, stallSeconds: seconds,
                        writingSeconds: saved.writingSeconds)))
        } catch let error as ApusError {
            reporter?.report(.message(RunMessage(level: .warning, text: "\(error)\n  → training goes on")))
        }
    }
}
