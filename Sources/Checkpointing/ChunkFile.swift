import Numerics

/// One rank's file of a checkpoint, and the lines of the manifest that tell what is in it.
struct ChunkFile {
    /// A box of a tensor.
    struct Chunk {
        let tensor: String
        let type: ElementType
        /// The whole tensor's.
        let shape: [Int]
        let box: HyperRectangle

        /// The name inside the file: the logical one where the tensor is whole, so that a checkpoint of one rank is an
        /// ordinary safetensors file.
        var storedName: String { box == HyperRectangle(whole: shape) ? tensor : "\(tensor)\(box)" }
    }

    let name: String
    let file: CheckpointManifest.File
    /// One for each chunk, in their order.
    let chunks: [CheckpointManifest.Chunk]

    /// As in `rank-00003.safetensors`.
    static func name(rank: Int) -> String {
        let digits = String(rank)
        return "rank-\(String(repeating: "0", count: max(0, 5 - digits.count)))\(digits).safetensors"
    }

    /// Writes a new file and waits until it is on the device.
    ///
    /// - Parameter bytes: a chunk's elements, row-major, by its index; asked for in order, and used until the next call.
    /// - Throws: `SystemCallError`, or `ApusError` for chunks that cannot be written.
    init(
        writing chunks: [Chunk], rank: Int, into folder: String, fileSystem: any FileSystem,
        bytes: (_ index: Int) throws -> UnsafeRawBufferPointer
    ) throws {
        name = Self.name(rank: rank)
        let stream = try SafetensorsStream(
            "\(folder)/\(name)",
            chunks.map { .init(name: $0.storedName, type: $0.type, shape: $0.box.shape) }, metadata: [:],
            fileSystem: fileSystem)
        var written: [CheckpointManifest.Chunk] = []
        var start = stream.header.count
        for (index, chunk) in chunks.enumerated() {
            let bytes = try bytes(index)
            var hashes: [String] = []
            let pieceSize = CheckpointManifest.defaultHashBlockBytes
            for offset in stride(from: 0, to: bytes.count, by: pieceSize) {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[offset..<min(offset + pieceSize, bytes.count)])
                hashes.append(XXH64.hexadecimal(piece))
                // Hashed just before, it is copied from the cache.
                try stream.write(piece)
            }
            written.append(
                .init(
                    offsets: chunk.box.ranges.map(\.lowerBound), shape: chunk.box.shape, file: name, start: start,
                    end: start + bytes.count, hashes: hashes))
            start += bytes.count
        }
        try stream.finish()
        file = .init(
            bytes: start, headerBytes: stream.header.count,
            headerHash: stream.header.withUnsafeBytes { XXH64.hexadecimal($0) })
        self.chunks = written
    }
}
