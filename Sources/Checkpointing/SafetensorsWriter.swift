import Numerics

/// Writes a safetensors file of floats, tensor after tensor, straight from the memory that holds them.
public enum SafetensorsWriter {
    public struct Tensor {
        public let name: String
        public let shape: [Int]
        /// As many values as `shape` has elements, row-major.
        public let values: UnsafeBufferPointer<Float>

        public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    /// Writes a new file and waits until it is on the device. A file of that name is an error.
    public static func write(_ path: String, _ tensors: [Tensor], metadata: [String: String] = [:]) throws {
        do {
            _ = try write(path, tensors, metadata: metadata, fileSystem: HostFileSystem()) { _, _ in }
        } catch let error as SystemCallError { throw error.asApusError("writing \(path)") }
    }

    /// - Parameter onPiece: called with the tensor's index and bytes, piece by piece of `pieceSize` bytes, as they are
    ///   written.
    /// - Returns: the header's bytes as written.
    /// - Throws: `SystemCallError`, or `ApusError` for tensors that cannot be written.
    package static func write(
        _ path: String, _ tensors: [Tensor], metadata: [String: String], fileSystem: any FileSystem,
        pieceSize: Int = 1 << 20, onPiece: (_ tensor: Int, _ bytes: UnsafeRawBufferPointer) -> Void
    ) throws -> [UInt8] {
        let header = try header(path, tensors, metadata: metadata).encoded()
        let file = try OutputFile(path, fileSystem: fileSystem)
        try file.write(header)
        for (index, tensor) in tensors.enumerated() {
            let bytes = UnsafeRawBufferPointer(tensor.values)
            for start in stride(from: 0, to: bytes.count, by: pieceSize) {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + pieceSize, bytes.count)])
                onPiece(index, piece)
                try file.write(piece)
            }
        }
        try file.finish()
        return header
    }

    private static func header(
        _ path: String, _ tensors: [Tensor], metadata: [String: String]
    ) throws -> SafetensorsHeader {
        var header = SafetensorsHeader(tensors: [:], metadata: metadata)
        var offset = 0
        for tensor in tensors {
            guard elementCount(tensor.shape) == tensor.values.count else {
                throw ApusError(
                    "writing \(path)",
                    "tensor \(tensor.name) of shape \(tensor.shape) was given \(tensor.values.count) values")
            }
            guard header.tensors[tensor.name] == nil, tensor.name != "__metadata__" else {
                throw ApusError("writing \(path)", "two tensors cannot share the name \(tensor.name)")
            }
            let end = offset + tensor.values.count * 4
            header.tensors[tensor.name] = .init(type: .float32, shape: tensor.shape, dataOffsets: offset..<end)
            offset = end
        }
        return header
    }
}
