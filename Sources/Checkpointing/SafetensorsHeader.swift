import Foundation
import Numerics

/// The header of a safetensors file: which tensors it holds and where.
///
/// Format (https://github.com/huggingface/safetensors#format): the header's length as 8 little-endian bytes, the header
/// as a JSON object, then the tensors' bytes, row-major and little-endian, one after the other without holes.
public struct SafetensorsHeader: Hashable, Sendable {
    public struct Tensor: Hashable, Sendable {
        public let type: ElementType
        public let shape: [Int]
        /// The tensor's bytes, counted from the end of the header.
        public let dataOffsets: Range<Int>

        public init(type: ElementType, shape: [Int], dataOffsets: Range<Int>) {
            self.type = type
            self.shape = shape
            self.dataOffsets = dataOffsets
        }

        public var count: Int { shape.reduce(1, *) }
    }

    public var tensors: [String: Tensor]
    /// Free text by key, stored as `__metadata__`.
    public var metadata: [String: String]

    /// The largest header that any reader of the format accepts.
    public static let maximumLength = 100_000_000

    public init(tensors: [String: Tensor], metadata: [String: String] = [:]) {
        self.tensors = tensors
        self.metadata = metadata
    }

    // MARK: Writing

    /// The length, the JSON and the spaces that pad both to a multiple of 8 bytes.
    public func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var json = Array(try encoder.encode(Document(header: self)))
        json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
        guard json.count <= Self.maximumLength else {
            throw ApusError(
                "writing a safetensors header",
                "it would have \(json.count) bytes; readers accept at most \(Self.maximumLength)",
                remedy: "spread the tensors over more files")
        }
        let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) }
        return length + json
    }

    // MARK: Reading

    /// Reads and checks the header of `file`: after this every tensor's bytes are known to lie inside the file, to have
    /// the size that type and shape ask for, and to belong to no other tensor.
    ///
    /// - Returns: the header, and where in the file the tensors' bytes begin.
    package static func read(from file: InputFile) throws -> (header: SafetensorsHeader, dataStart: Int) {
        let operation = "reading \(file.path)"
        guard file.size >= 8 else {
            throw ApusError(
                operation, "a safetensors file begins with the 8 bytes of its header's length; found \(file.size) bytes"
            )
        }
        let lengthBytes = try file.readBytes(0..<8, operation: operation)
        let length = lengthBytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        // Compared before anything is allocated: a foreign file can claim any length.
        let limit = min(file.size - 8, maximumLength)
        guard length <= UInt64(limit) else {
            throw ApusError(
                operation,
                "the header claims \(length) bytes; expected at most \(limit) in a file of \(file.size) bytes",
                remedy: "the file is truncated, or no safetensors file")
        }
        let dataStart = 8 + Int(length)
        let json = try file.readBytes(8..<dataStart, operation: operation)
        let header: SafetensorsHeader
        do {
            header = try JSONDecoder().decode(Document.self, from: Data(json)).header
        } catch {
            throw ApusError(operation, "the header is no valid safetensors JSON: \(jsonProblem(error))")
        }
        try header.check(dataSize: file.size - dataStart, operation: operation)
        return (header, dataStart)
    }

    private func check(dataSize: Int, operation: String) throws {
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            let bytes = elementCount(tensor.shape)?.multipliedReportingOverflow(by: tensor.type.size)
            guard let bytes, !bytes.overflow else {
                throw ApusError(operation, "tensor \(name) has the impossible shape \(tensor.shape)")
            }
            guard tensor.dataOffsets.count == bytes.partialValue else {
                throw ApusError(
                    operation,
                    "tensor \(name) of type \(tensor.type.rawValue) and shape \(tensor.shape) needs "
                        + "\(bytes.partialValue) bytes; its offsets hold \(tensor.dataOffsets.count)")
            }
        }
        var expected = 0
        for (name, tensor) in tensors.sorted(by: Self.isStoredBefore) {
            let offsets = tensor.dataOffsets
            guard offsets.lowerBound == expected else {
                let fault = offsets.lowerBound < expected ? "overlaps the tensor before it" : "leaves a hole before it"
                throw ApusError(
                    operation, "tensor \(name) at bytes \(offsets) \(fault); expected to begin at byte \(expected)")
            }
            guard offsets.upperBound <= dataSize else {
                throw ApusError(
                    operation,
                    "tensor \(name) ends at byte \(offsets.upperBound) of the data; found \(dataSize) bytes of data",
                    remedy: "the file was truncated: copy it again")
            }
            expected = offsets.upperBound
        }
        guard expected == dataSize else {
            throw ApusError(
                operation, "the tensors end at byte \(expected) of the data; found \(dataSize) bytes of data")
        }
    }

    /// Tensors by place in the file; empty ones come before what starts at the same byte.
    private static func isStoredBefore(
        _ first: (key: String, value: Tensor), _ second: (key: String, value: Tensor)
    ) -> Bool {
        let (a, b) = (first.value.dataOffsets, second.value.dataOffsets)
        return (a.lowerBound, a.upperBound, first.key) < (b.lowerBound, b.upperBound, second.key)
    }
}

/// The header's JSON: tensors and `__metadata__` side by side in one object.
private struct Document: Codable {
    var header: SafetensorsHeader

    init(header: SafetensorsHeader) { self.header = header }

    private struct Entry: Codable {
        let dtype: String
        let shape: [Int]
        let dataOffsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype
            case shape
            case dataOffsets = "data_offsets"
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        static let metadata = Key("__metadata__")

        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        header = SafetensorsHeader(tensors: [:])
        for key in container.allKeys {
            if key.stringValue == Key.metadata.stringValue {
                header.metadata = try container.decode([String: String].self, forKey: key)
                continue
            }
            let entry = try container.decode(Entry.self, forKey: key)
            guard let type = ElementType(rawValue: entry.dtype) else {
                let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: container,
                    debugDescription: "unknown type \(entry.dtype.debugDescription); known are \(known)")
            }
            let offsets = entry.dataOffsets
            guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1] else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: container, debugDescription: "data_offsets \(offsets) are no rising pair of bytes")
            }
            header.tensors[key.stringValue] = .init(
                type: type, shape: entry.shape, dataOffsets: offsets[0]..<offsets[1])
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        if !header.metadata.isEmpty { try container.encode(header.metadata, forKey: .metadata) }
        for (name, tensor) in header.tensors {
            let offsets = [tensor.dataOffsets.lowerBound, tensor.dataOffsets.upperBound]
            try container.encode(
                Entry(dtype: tensor.type.rawValue, shape: tensor.shape, dataOffsets: offsets), forKey: Key(name))
        }
    }
}
