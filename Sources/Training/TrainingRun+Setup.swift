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
        func loader(_ sampler: TokenSampler) -> BatchLoader {
            BatchLoader(
                sampler, sequenceLength: job.training.sequenceLength, microBatchSize: job.training.microBatchSize)
        }
        let training = loader(try trainingSampler(of: job))
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
}
