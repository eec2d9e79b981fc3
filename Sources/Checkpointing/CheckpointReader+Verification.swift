import Numerics

extension CheckpointReader {
    /// Verifies the checkpoint that `path` stands for, as in `init(_:)`; a manifest that cannot be read is damage too.
    ///
    /// - Returns: the checkpoint's own folder, and one error for each thing that is damaged or missing.
    /// - Throws: `ApusError` where `path` leads to no checkpoint.
    public static func verify(_ path: String) throws -> (folder: String, damage: [ApusError]) {
        let folder = try stepFolder(path, fileSystem: HostFileSystem())
        return (folder, verify(stepFolder: folder, fileSystem: HostFileSystem()))
    }

    static func verify(stepFolder path: String, fileSystem: any FileSystem) -> [ApusError] {
        do {
            return try CheckpointReader(stepFolder: path, fileSystem: fileSystem).verify()
        } catch { return [(error as? ApusError) ?? ApusError("verifying \(path)", String(describing: error))] }
    }

    /// Reads every byte and compares it with its hash.
    ///
    /// - Returns: one error for each damaged or missing file or block; none where the checkpoint is intact.
    public func verify() -> [ApusError] {
        var chunks: [String: [(tensor: String, chunk: CheckpointManifest.Chunk)]] = [:]
        for (name, tensor) in manifest.tensors {
            for chunk in tensor.chunks { chunks[chunk.file, default: []].append((name, chunk)) }
        }
        return manifest.files.keys.sorted().flatMap { name in
            verify(name, chunks[name, default: []].sorted { $0.chunk.start < $1.chunk.start })
        }
    }

    private func verify(_ name: String, _ chunks: [(tensor: String, chunk: CheckpointManifest.Chunk)]) -> [ApusError] {
        func damage(_ operation: String, _ check: () throws -> Void) -> ApusError? {
            do {
                try check()
                return nil
            } catch { return (error as? ApusError) ?? ApusError(operation, String(describing: error)) }
        }
        var file: InputFile?
        if let whole = damage("verifying \(path)", { file = try open(name, operation: "verifying \(path)") }) {
            let lost = chunks.map { tensor, chunk in
                ApusError("verifying tensor \(tensor) of \(path)", "chunk \(chunk.box) is lost with \(path)/\(name)")
            }
            return [whole] + lost
        }
        guard let file else { return [] }
        return chunks.flatMap { tensor, chunk in
            chunk.hashes.indices.compactMap { index in
                let operation = "verifying tensor \(tensor) of \(path)"
                let buffer = blockBuffer(blockBytes(index, of: chunk).count)
                return damage(operation) { try load(index, of: chunk, file, into: buffer, operation: operation) }
            }
        }
    }
}
