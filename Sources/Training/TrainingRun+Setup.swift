import JobConfiguration
import TokenData

extension TrainingRun {
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
