import Numerics

/// Rewrites a checkpoint as so many files: the same tensors and state, cut in another way.
///
/// A checkpoint needs no such thing to be read by another number of ranks. It is for file systems that are faster with
/// more files or with fewer, and for those who want one ordinary safetensors file.
public struct CheckpointReshard: Sendable {
    /// Files to write: those of this number of ranks. A rank that nothing falls to has no file.
    public let ranks: Int

    public static let maximumRanks = 65_536

    public init(ranks: Int) throws {
        guard (1...Self.maximumRanks).contains(ranks) else {
            throw ApusError(
                "resharding a checkpoint", "expected from 1 to \(Self.maximumRanks) ranks, found \(ranks)")
        }
        self.ranks = ranks
    }

    /// Writes `folder`, which must not exist and becomes a checkpoint. Everything read is compared with its hash, and so
    /// is everything written, before the folder gets its name.
    ///
    /// - Returns: the new checkpoint's files.
    /// - Throws: `ApusError`; nothing is left behind.
    @discardableResult
    public func write(_ reader: CheckpointReader, to folder: String) throws -> [String] {
        try write(reader, to: folder, fileSystem: HostFileSystem())
    }

    package func write(
        _ reader: CheckpointReader, to folder: String, fileSystem: any FileSystem
    ) throws -> [String] {
        let operation = "resharding \(reader.path) to \(folder)"
        return try NewFolder.make(folder, operation: operation, fileSystem: fileSystem) { partial in
            let source = reader.manifest
            var manifest = CheckpointManifest(
                step: source.step, state: source.state, ranks: ranks, files: [:],
                tensors: source.tensors.mapValues { .init(dtype: $0.dtype, shape: $0.shape, chunks: []) })
            for rank in 0..<ranks {
                let chunks = chunks(of: source, rank: rank)
                guard !chunks.isEmpty else { continue }
                let file = try write(chunks, from: reader, rank: rank, into: partial, fileSystem: fileSystem)
                manifest.files[file.name] = file.file
                for (chunk, stored) in zip(chunks, file.chunks) {
                    manifest.tensors[chunk.tensor]?.chunks.append(stored)
                }
            }
            try manifest.validate(operation: operation)
            try fileSystem.writeFile("\(partial)/\(CheckpointManifest.fileName)", try manifest.encoded())
            if let damage = CheckpointReader.verify(stepFolder: partial, fileSystem: fileSystem).first {
                throw ApusError(
                    operation, "what was written cannot be read back: \(damage.problem)",
                    remedy: "check the disk", kind: .runtime)
            }
            return manifest.files.keys.sorted()
        }
    }

    private func write(
        _ chunks: [ChunkFile.Chunk], from reader: CheckpointReader, rank: Int, into folder: String,
        fileSystem: any FileSystem
    ) throws -> ChunkFile {
        let largest = chunks.map { $0.box.count * $0.type.size }.max() ?? 0
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: largest, alignment: 64)
        defer { memory.deallocate() }
        return try ChunkFile(writing: chunks, rank: rank, into: folder, fileSystem: fileSystem) { index in
            let chunk = chunks[index]
            let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<(chunk.box.count * chunk.type.size)])
            if let start = bytes.baseAddress {
                try reader.readStored(chunk.tensor, slice: chunk.box.ranges, into: start)
            }
            return UnsafeRawBufferPointer(bytes)
        }
    }

    /// What falls to a rank: an equal part of every tensor, along the first dimension that is long enough for all ranks,
    /// or else along the longest; scalars fall to the ranks in turn.
    private func chunks(of manifest: CheckpointManifest, rank: Int) -> [ChunkFile.Chunk] {
        manifest.tensors.sorted { $0.key < $1.key }.enumerated().compactMap { index, entry in
            let (name, tensor) = entry
            var ranges = tensor.shape.map { 0..<$0 }
            if let longest = tensor.shape.max() {
                let axis = tensor.shape.firstIndex { $0 >= min(ranks, longest) }!
                ranges[axis] = longest == 0 ? 0..<0 : part(of: tensor.shape[axis], rank: rank)
            } else if index % ranks != rank {
                return nil
            }
            let box = HyperRectangle(ranges)
            return box.isEmpty ? nil : .init(tensor: name, type: tensor.dtype, shape: tensor.shape, box: box)
        }
    }

    private func part(of count: Int, rank: Int) -> Range<Int> {
        // Quotient and remainder apart, so that no product overflows.
        let (each, more) = count.quotientAndRemainder(dividingBy: ranks)
        let start = each * rank + min(more, rank)
        return start..<start + each + (rank < more ? 1 : 0)
    }
}
