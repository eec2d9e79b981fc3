import Numerics

/// Writes a safetensors file, tensor after tensor, straight from the memory that holds them.
public enum SafetensorsWriter {
    public struct Tensor {
        public let name: String
        public let shape: [Int]
        /// As many values as `shape` has elements, row-major.
        public let values: FloatBuffer

        public init(name: String, shape: [Int], values: FloatBuffer) {
            self.name = name
            self.shape = shape
            self.values = values
        }

        public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
            self.init(name: name, shape: shape, values: .float32(UnsafeMutableBufferPointer(mutating: values)))
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
        for tensor in tensors where elementCount(tensor.shape) != tensor.values.count {
            throw ApusError(
                "writing \(path)",
                "tensor \(tensor.name) of shape \(tensor.shape) was given \(tensor.values.count) values")
        }
        let stream = try SafetensorsStream(
            path, tensors.map { .init(name: $0.name, type: $0.values.type, shape: $0.shape) }, metadata: metadata,
            fileSystem: fileSystem)
        for (index, tensor) in tensors.enumerated() {
            let bytes = tensor.values.bytes
            for start in stride(from: 0, to: bytes.count, by: pieceSize) {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + pieceSize, bytes.count)])
                onPiece(index, piece)
                try stream.write(piece)
            }
        }
        try stream.finish()
        return stream.header
    }
}

extension FloatBuffer {
    /// The type that its numbers have in a file.
    var type: ElementType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        }
    }
}
