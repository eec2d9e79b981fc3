import Collectives
import Foundation
import Numerics

/// Saves checkpoints: every rank writes its own slices into its own file, and rank 0 makes the whole visible at once.
///
/// In order: all files are written under a temporary folder name and flushed to the device; rank 0 writes the manifest
/// from everyone's chunk tables, flushes it and the folder, gives the folder its name, moves `latest`, and removes old
/// checkpoints. Whatever fails, and whenever, `latest` names a complete checkpoint.
public enum CheckpointWriter {
    /// What a save left behind.
    public struct Saved: Sendable {
        public let entry: CheckpointFolder.Entry
        /// Bytes of all tensors.
        public let bytes: Int
        /// How long the slowest rank needed for its file, until it was on the device.
        public let writingSeconds: Double
        /// What did not work although the checkpoint is complete: old ones that could not be removed.
        public let warnings: [String]
    }

    /// Saves the tensors of all ranks as one checkpoint. Collective: every rank of `communicator` calls it with the same
    /// folder, step and state, and between them they hold every element of every tensor exactly once.
    ///
    /// - Throws: on every rank the same `ApusError`, naming the rank that failed, the file and the reason. Checkpoints
    ///   that were there before stay as they are.
    @discardableResult
    public static func save(
        folder: CheckpointFolder, step: Int, tensors: [CheckpointTensor], state: CheckpointState,
        communicator: any Communicator
    ) throws -> Saved {
        try OngoingSave(folder: folder, step: step, state: state, communicator: communicator) { tensors }.finish()
    }
}
