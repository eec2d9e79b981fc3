import Collectives
import Foundation
import Numerics

/// One save in progress, on one rank: its stages, and how the ranks agree on each stage's success.
struct CheckpointSave {
    let folder: CheckpointFolder
    let step: Int
    let communicator: any Communicator

    /// What one rank wrote.
    struct Part: Codable {
        var files: [String: CheckpointManifest.File] = [:]
        /// Tensors by logical name, each with the chunks of this rank only.
        var tensors: [String: CheckpointManifest.Tensor] = [:]
    }

    struct Outcome: Codable {
        let bytes: Int
        let warnings: [String]
    }

    // MARK: Agreement

    private struct Report<Value: Codable>: Codable {
        var value: Value?
        var problem: String?
        var remedy: String?
    }

    private struct Nothing: Codable {}

    func agree(_ stage: String, _ body: () throws -> Void) throws {
        _ = try agree(stage) {
            try body()
            return Nothing()
        }
    }

    /// Runs `body` on every rank; returns all ranks' results, in rank order, or throws on all of them the failure of
    /// the first rank that had one.
    func agree<Value: Codable>(_ stage: String, _ body: () throws -> Value) throws -> [Value] {
        var report = Report<Value>()
        do {
            report.value = try body()
        } catch let error as SystemCallError {
            (report.problem, report.remedy) = (error.description, error.remedy)
        } catch let error as ApusError {
            (report.problem, report.remedy) = ("\(error.operation): \(error.problem)", error.remedy)
        } catch {
            report.problem = String(describing: error)
        }
        let label = "checkpoint of step \(step): \(stage)"
        let gathered = communicator.gatherToAll(Array(try JSONEncoder().encode(report)), label: label)
        let reports = try gathered.map { try JSONDecoder().decode(Report<Value>.self, from: Data($0)) }
        let failures = reports.enumerated().filter { $0.element.value == nil }
        guard let (rank, failure) = failures.first else { return reports.compactMap(\.value) }
        let others = failures.count > 1 ? " (and \(failures.count - 1) more ranks failed)" : ""
        throw ApusError(
            "saving the checkpoint of step \(step)", "rank \(rank) \(failure.problem ?? "failed")\(others)",
            remedy: [failure.remedy, "checkpoints saved before are untouched"].compactMap(\.self).joined(
                separator: "; "),
            kind: .runtime)
    }

    // MARK: Stages

    func begin() throws { try folder.makePartial(step: step) }

    /// Writes this rank's file, if it owns anything.
    func writeOwnPart(_ tensors: [CheckpointTensor]) throws -> Part {
        let rank = communicator.rank
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

        let digits = String(rank)
        let fileName = "rank-\(String(repeating: "0", count: max(0, 5 - digits.count)))\(digits).safetensors"
        var hashes = [[String]](repeating: [], count: owned.count)
        let header = try SafetensorsWriter.write(
            "\(folder.partialPath(step: step))/\(fileName)",
            owned.map { .init(name: $0.storedName, shape: $0.box.shape, values: $0.values) }, metadata: [:],
            fileSystem: folder.fileSystem, pieceSize: CheckpointManifest.defaultHashBlockBytes
        ) { index, bytes in
            hashes[index].append(XXH64.hexadecimal(bytes))
        }
        var start = header.count
        for (tensor, hashes) in zip(owned, hashes) {
            let end = start + tensor.values.bytes.count
            part.tensors[tensor.name]?.chunks.append(
                .init(
                    offsets: tensor.slice.map(\.lowerBound), shape: tensor.box.shape, file: fileName, start: start,
                    end: end, hashes: hashes))
            start = end
        }
        part.files[fileName] = .init(
            bytes: start, headerBytes: header.count, headerHash: header.withUnsafeBytes { XXH64.hexadecimal($0) })
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
        return Outcome(bytes: manifest.tensorBytes, warnings: warnings)
    }

    private func merge(_ parts: [Part], state: CheckpointState) throws -> CheckpointManifest {
        var manifest = CheckpointManifest(step: step, state: state, ranks: communicator.size, files: [:], tensors: [:])
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
