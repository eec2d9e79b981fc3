import Numerics

/// Copies tensors of a checkpoint into a safetensors file under other names, converting what has to be.
struct ExportedFile {
    let reader: CheckpointReader
    /// Whole shapes of the model's parameters.
    let shapes: [String: [Int]]
    let type: ElementType

    /// Numbers of a matrix that are transposed at a time: 64 MiB.
    private static let transposedCount = 1 << 24

    func write(_ path: String, _ tensors: [ExportedTensor], fileSystem: any FileSystem) throws {
        let entries = tensors.map {
            SafetensorsStream.Entry(name: $0.name, type: type, shape: $0.shape(from: shapes))
        }
        // transformers refuses files that do not say that their tensors are PyTorch's.
        let stream = try SafetensorsStream(path, entries, metadata: ["format": "pt"], fileSystem: fileSystem)
        for tensor in tensors {
            if tensor.isTransposed { try copyTransposed(tensor, to: stream) } else { try copy(tensor, to: stream) }
        }
        try stream.finish()
    }

    private func copy(_ tensor: ExportedTensor, to stream: SafetensorsStream) throws {
        for source in tensor.sources {
            let shape = shapes[source]!
            try reader.forEachPiece("model/\(source)", shape: shape, slice: shape.map { 0..<$0 }) {
                try write($0, to: stream)
            }
        }
    }

    /// Sources `[outputs, inputs]`, stacked and turned into `[inputs, outputs of all]`, some inputs at a time.
    private func copyTransposed(_ tensor: ExportedTensor, to stream: SafetensorsStream) throws {
        let sourceShapes = tensor.sources.map { shapes[$0]! }
        let (outputs, inputs) = (sourceShapes.reduce(0) { $0 + $1[0] }, sourceShapes[0][1])
        let step = min(max(Self.transposedCount / outputs, 1), inputs)
        let columns = UnsafeMutableBufferPointer<Float>.allocate(capacity: step * outputs)
        let rows = UnsafeMutableBufferPointer<Float>.allocate(capacity: step * outputs)
        defer {
            columns.deallocate()
            rows.deallocate()
        }
        for first in stride(from: 0, to: inputs, by: step) {
            let part = first..<min(first + step, inputs)
            var output = 0
            for (source, shape) in zip(tensor.sources, sourceShapes) {
                try reader.read(
                    "model/\(source)", shape: shape, slice: [0..<shape[0], part], into: columns.baseAddress!)
                for row in 0..<shape[0] {
                    for column in 0..<part.count {
                        rows[column * outputs + output + row] = columns[row * part.count + column]
                    }
                }
                output += shape[0]
            }
            try write(UnsafeBufferPointer(rebasing: rows[..<(part.count * outputs)]), to: stream)
        }
    }

    private func write(_ numbers: UnsafeBufferPointer<Float>, to stream: SafetensorsStream) throws {
        guard type == .bfloat16 else { return try stream.write(UnsafeRawBufferPointer(numbers)) }
        let bits = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: numbers.count)
        defer { bits.deallocate() }
        BFloat16.round(numbers.baseAddress!, into: bits.baseAddress!, count: numbers.count)
        try stream.write(UnsafeRawBufferPointer(bits))
    }
}
