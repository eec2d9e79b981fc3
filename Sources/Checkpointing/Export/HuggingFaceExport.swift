import Foundation
import Models
import Numerics

/// Writes a checkpoint's model as a folder that Hugging Face's transformers loads: `config.json`, `model.safetensors`
/// (or several files and their index), `generation_config.json` and `tokenizer.json`.
///
/// The folder appears under its name when it is complete. Weights pass through memory some mebibytes at a time.
public struct HuggingFaceExport {
    public var model: ModelConfiguration
    /// `float32` or `bfloat16`, to which weights are rounded to the nearest.
    public var type: ElementType
    /// The token that begins and ends a document.
    public var endOfText: Int?
    /// The bytes of `tokenizer.json`.
    public var tokenizer: [UInt8]?
    /// Weights above this are spread over several files; a tensor is never cut.
    public var maximumFileBytes = 5_000_000_000

    public struct Summary: Hashable, Sendable {
        /// Names in the folder, in alphabetical order.
        public var files: [String]
        /// Bytes of all tensors.
        public var tensorBytes: Int
    }

    /// - Throws: `ApusError` where transformers has no model of this shape.
    public init(
        _ model: ModelConfiguration, as type: ElementType, endOfText: Int? = nil, tokenizer: [UInt8]? = nil
    ) throws {
        precondition(type == .float32 || type == .bfloat16)
        guard model.architecture != .gpt2 || model.keyValueHeads == model.heads else {
            throw ApusError(
                "exporting the model",
                "Hugging Face's GPT-2 has as many key/value heads as heads, this model has \(model.keyValueHeads) for "
                    + "\(model.heads)", remedy: "train a llama for grouped-query attention")
        }
        self.model = model
        self.type = type
        self.endOfText = endOfText
        self.tokenizer = tokenizer
    }

    /// Writes the folder, which must not exist.
    ///
    /// - Throws: `ApusError`; nothing is left behind.
    @discardableResult
    public func write(from reader: CheckpointReader, to folder: String) throws -> Summary {
        try write(from: reader, to: folder, fileSystem: HostFileSystem())
    }

    package func write(
        from reader: CheckpointReader, to folder: String, fileSystem: any FileSystem
    ) throws -> Summary {
        let operation = "exporting \(reader.path) to \(folder)"
        let shapes = Dictionary(
            uniqueKeysWithValues: Decoder(model).declarations.specifications.map { ($0.name, $0.shape) })
        try reader.requireTensors(
            Dictionary(uniqueKeysWithValues: shapes.map { ("model/\($0.key)", $0.value) }), prefix: "model/")
        return try NewFolder.make(folder, operation: operation, fileSystem: fileSystem) { partial in
            try writeFiles(reader, shapes, to: partial, fileSystem: fileSystem)
        }
    }

    private func writeFiles(
        _ reader: CheckpointReader, _ shapes: [String: [Int]], to folder: String, fileSystem: any FileSystem
    ) throws -> Summary {
        let tensors = model.exportedTensors()
        let sizes = tensors.map { $0.shape(from: shapes).reduce(type.size, *) }
        let parts = Self.parts(of: sizes, limit: maximumFileBytes)
        var files = parts.enumerated().map { index, part in
            (name: Self.fileName(index, of: parts.count), tensors: tensors[part].map(\.name))
        }
        for (part, file) in zip(parts, files) {
            let writer = ExportedFile(reader: reader, shapes: shapes, type: type)
            try writer.write("\(folder)/\(file.name)", Array(tensors[part]), fileSystem: fileSystem)
        }
        let bytes = sizes.reduce(0, +)
        func add(_ name: String, _ contents: [UInt8]) throws {
            try fileSystem.writeFile("\(folder)/\(name)", contents)
            files.append((name, []))
        }
        if parts.count > 1 {
            try add("model.safetensors.index.json", try Self.document(Self.index(files, bytes: bytes)))
        }
        try add("config.json", try Self.document(configuration))
        try add("generation_config.json", try Self.document(generationConfiguration))
        if let tokenizer { try add("tokenizer.json", tokenizer) }
        return Summary(files: files.map(\.name).sorted(), tensorBytes: bytes)
    }

    /// Consecutive runs of tensors that fit one file each; a tensor above the limit gets one of its own.
    static func parts(of sizes: [Int], limit: Int) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var (start, bytes) = (0, 0)
        for (index, size) in sizes.enumerated() {
            if index > start, bytes + size > limit {
                parts.append(start..<index)
                (start, bytes) = (index, 0)
            }
            bytes += size
        }
        return parts + [start..<sizes.count]
    }

    private static func fileName(_ index: Int, of count: Int) -> String {
        guard count > 1 else { return "model.safetensors" }
        return String(format: "model-%05d-of-%05d.safetensors", index + 1, count)
    }
}
