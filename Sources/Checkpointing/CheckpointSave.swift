import Foundation
import Numerics

/// One rank's part of a save: its stages, which call nothing of MPI and can run on any thread.
struct CheckpointSave: Sendable {
    let folder: CheckpointFolder
    let step: Int
    let rank: Int
    let ranks: Int

    /// What one rank wrote.
    struct Part: Codable, Sendable {
        var files: [String: CheckpointManifest.File] = [:]
        /// Tensors by logical name, each with the chunks of this rank only.
        var tensors: [String: CheckpointManifest.Tensor] = [:]
        /// From the first byte until all were on the device.
        var seconds = 0.0
    }

    struct Outcome: Codable, Sendable {
        var bytes = 0
        var writingSeconds = 0.0
        var warnings: [String] = []
    }

    // MARK: Stages

    /// Rank 0, before any rank writes.
    func begin() throws { try folder.makePartial(step: step) }

    /// Rank 0, when the save has failed and no rank writes any more.
    func withdraw() { try? folder.removeTree(folder.partialPath(step: step)) }

    /// Writes this rank's file, if it owns anything.
    func writeOwnPart(_ tensors: [CheckpointTensor]) throws -> Part {
        let start = ContinuousClock.now
        for tensor in tensors {
            if let problem = tensor.problem { throw ApusError("tensor \(tensor.name)", problem) }
        }
        var part = Part()
        for tensor in tensors {
            let whole = CheckpointManifest.Tensor(dtype: tensor.values.type, shape: tensor.shape, chunks: [])
            guard part.tensors.updateValue(whole, forKey: tensor.name).map({ $0 == whole }) ?? true else {
                throw ApusError(
                    "tensor \(tensor.name)", "was given with two types or whole shapes, one of them \(tensor.shape)")
            }
        }
        let owned = tensors.filter { !$0.box.isEmpty }
        guard !owned.isEmpty else { return part }

        let file = try ChunkFile(
            writing: owned.map { .init(tensor: $0.name, type: $0.values.type, shape: $0.shape, box: $0.box) },
            rank: rank, into: folder.partialPath(step: step), fileSystem: folder.fileSystem
        ) { owned[$0].values.bytes }
        for (tensor, chunk) in zip(owned, file.chunks) { part.tensors[tensor.name]?.chunks.append(chunk) }
        part.files[file.name] = file.file
        part.seconds = (ContinuousClock.now - start) / .seconds(1)
        return part
    }

    /// Rank 0, once every rank's file is on the device.
    func commit(_ parts: [Part], state: CheckpointState) throws -> Outcome {
        let manifest = try merge(parts, state: state)
        let manifestPath = "\(folder.partialPath(step: step))/\(CheckpointManifest.fileName)"
        try folder.fileSystem.writeFile(manifestPath, try manifest.encoded())
        try folder.commit(step: step)
        var warnings: [String] = []
        do {
            try folder.prune()
        } catch { warnings.append(String(describing: error)) }
        return Outcome(
            bytes: manifest.tensorBytes, writingSeconds: parts.map(\.seconds).max() ?? 0, warnings: warnings)
    }

    private func merge(_ parts: [Part], state: CheckpointState) throws -> CheckpointManifest {
        var manifest = CheckpointManifest(step: step, state: state, ranks: ranks, files: [:], tensors: [:])
        for (rank, part) in parts.enumerated() {
            manifest.files.merge(part.files) { first, _ in first }
            for (name, tensor) in part.tensors {
                let known = manifest.tensors[name, default: tensor]
                guard known.shape == tensor.shape, known.dtype == tensor.dtype else {
                    throw ApusError(
                        "tensor \(name)",
                        "has the whole shape \(known.shape) of \(known.dtype.rawValue) on one rank and \(tensor.shape) of "
                            + "\(tensor.dtype.rawValue) on rank \(rank)")
                }
                let others = manifest.tensors[name]?.chunks ?? []
                manifest.tensors[name] = tensor
                manifest.tensors[name]?.chunks = others + tensor.chunks
            }
        }
        // A checkpoint that could not be read back must not take the place of one that can.
        try manifest.validate(operation: "putting the ranks' slices together")
        return manifest
    }
}
