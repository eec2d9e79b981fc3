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
        let save = CheckpointSave(folder: folder, step: step, communicator: communicator)
        let isFirst = communicator.rank == 0
        do {
            _ = try save.agree("begin") { if isFirst { try save.begin() } }
            let parts = try save.agree("files") { try save.writeOwnPart(tensors) }
            let outcomes = try save.agree("commit") {
                isFirst ? try save.commit(parts, state: state) : CheckpointSave.Outcome(bytes: 0, warnings: [])
            }
            let entry = CheckpointFolder.Entry(step: step, path: folder.finalPath(step: step))
            return Saved(entry: entry, bytes: outcomes[0].bytes, warnings: outcomes[0].warnings)
        } catch {
            // Every rank has agreed on the failure, so none of them is still writing there.
            if isFirst { try? folder.removeTree(folder.partialPath(step: step)) }
            throw error
        }
    }
}
