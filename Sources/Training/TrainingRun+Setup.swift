import Collectives
import Foundation
import JobConfiguration
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
    static func openData(_ job: JobConfiguration) throws -> (training: BatchLoader, validation: BatchLoader?) {
        func loader(_ paths: [String], isShuffled: Bool) throws -> BatchLoader {
            let sampler = try TokenSampler(
                dataset: try TokenDatasetFile.open(paths), sequenceLength: job.training.sequenceLength,
                seed: job.seed, shuffled: isShuffled, vocabularySize: job.model.vocabularySize)
            return BatchLoader(
                sampler, sequenceLength: job.training.sequenceLength, microBatchSize: job.training.microBatchSize)
        }
        let training = try loader(job.data.train, isShuffled: true)
        let validation =
            job.data.validation.isEmpty ? nil : try loader(job.data.validation, isShuffled: false)
        return (training, validation)
    }
}
