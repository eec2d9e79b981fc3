import Checkpointing
import Foundation
import JobConfiguration
import Numerics

/// A checkpoint with the job that made it.
public struct TrainedModel {
    public let reader: CheckpointReader
    public let job: JobConfiguration

    /// - Parameter path: A run's folder, its checkpoints folder, or one checkpoint.
    public init(at path: String) throws {
        let inRun = path + "/checkpoints"
        reader = try CheckpointReader(FileManager.default.fileExists(atPath: inRun) ? inRun : path)
        job = try JobConfiguration.load(yaml: reader.manifest.state.job, name: "\(reader.path), resolved job")
    }

    /// The tokenizer that the job names.
    public func tokenizerPath() throws -> String {
        guard let path = job.data.tokenizer else {
            throw ApusError(
                "opening \(reader.path)", "its job names no tokenizer", remedy: "name one with --tokenizer FILE")
        }
        return path
    }
}
