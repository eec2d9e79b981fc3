import Numerics

/// A new safetensors file whose tensors' bytes arrive one after the other, so that none has to be in memory whole.
package final class SafetensorsStream {
    package struct Entry {
        let name: String
        let type: ElementType
        let shape: [Int]

        package init(name: String, type: ElementType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }

        /// Bytes of the tensor; nil where the shape is impossible.
        var byteCount: Int? { elementCount(shape).map { $0 * type.size } }
    }

    /// The header as it was written.
    package let header: [UInt8]
    private let path: String
    private let file: OutputFile
    private let dataBytes: Int

    /// Creates the file and writes its header. A file of that name is an error.
    ///
    /// - Throws: `SystemCallError`, or `ApusError` for tensors that cannot be written.
    package init(_ path: String, _ entries: [Entry], metadata: [String: String], fileSystem: any FileSystem) throws {
        var header = SafetensorsHeader(tensors: [:], metadata: metadata)
        var offset = 0
        for entry in entries {
            guard let bytes = entry.byteCount else {
                throw ApusError("writing \(path)", "tensor \(entry.name) has the impossible shape \(entry.shape)")
            }
            guard header.tensors[entry.name] == nil, entry.name != "__metadata__" else {
                throw ApusError("writing \(path)", "two tensors cannot share the name \(entry.name)")
            }
            header.tensors[entry.name] = .init(
                type: entry.type, shape: entry.shape, dataOffsets: offset..<offset + bytes)
            offset += bytes
        }
        self.header = try header.encoded()
        self.path = path
        dataBytes = offset
        file = try OutputFile(path, fileSystem: fileSystem)
        try file.write(self.header)
    }

    /// The next bytes of the tensor that is not yet complete.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(SystemCallError) { try file.write(bytes) }

    /// Waits until everything is on the device.
    package func finish() throws(SystemCallError) {
        precondition(
            file.size == header.count + dataBytes,
            "\(path) was given \(file.size - header.count) bytes of tensors, its header tells of \(dataBytes)")
        try file.finish()
    }
}
