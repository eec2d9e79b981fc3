import Foundation
import Numerics

/// The table of contents of a checkpoint: for every logical tensor, which file holds which part of it.
///
/// Nothing in it depends on the layout that will read it: a rank of another mesh looks up the chunks that meet its own
/// slice. `manifest.json` ends with a hash of everything before, so that it is as safe against damage as the tensors.
public struct CheckpointManifest: Codable, Hashable, Sendable {
    public static let fileName = "manifest.json"
    public static let currentVersion = 1
    public static let hashAlgorithm = "xxh64"

    /// Version of this format.
    public var version = currentVersion
    /// Optimizer steps taken.
    public var step: Int
    public var state: CheckpointState
    /// Ranks of the job that wrote it.
    public var ranks: Int
    /// How every hash here was computed.
    public var hash = hashAlgorithm
    /// A chunk has one hash for every so many bytes of it, so that a part can be verified without reading the rest.
    public var hashBlockBytes = defaultHashBlockBytes
    public var files: [String: File]
    /// By logical name.
    public var tensors: [String: Tensor]

    /// Large enough that hashes weigh nothing, small enough to be hashed and copied from the second-level cache.
    public static let defaultHashBlockBytes = 1 << 20

    /// One safetensors file in the checkpoint's folder.
    public struct File: Codable, Hashable, Sendable {
        public var bytes: Int
        /// The file's first bytes, up to the first tensor, and their hash.
        public var headerBytes: Int
        public var headerHash: String
    }

    public struct Tensor: Codable, Hashable, Sendable {
        public var dtype: ElementType
        /// The whole shape.
        public var shape: [Int]
        /// Parts that together hold every element exactly once.
        public var chunks: [Chunk]
    }

    /// A box of a tensor's elements, stored row-major in one byte range of one file.
    public struct Chunk: Codable, Hashable, Sendable {
        /// Index of the first element in every dimension.
        public var offsets: [Int]
        public var shape: [Int]
        public var file: String
        /// First byte in the file.
        public var start: Int
        /// First byte after it.
        public var end: Int
        /// One hash for every `hashBlockBytes` bytes.
        public var hashes: [String]

        package var box: HyperRectangle { HyperRectangle(zip(offsets, shape).map { $0..<$0 + $1 }) }
    }

    /// Bytes of all tensors.
    public var tensorBytes: Int {
        tensors.values.reduce(0) { $0 + $1.chunks.reduce(0) { $0 + $1.end - $1.start } }
    }

    package init(step: Int, state: CheckpointState, ranks: Int, files: [String: File], tensors: [String: Tensor]) {
        self.step = step
        self.state = state
        self.ranks = ranks
        self.files = files
        self.tensors = tensors
    }

    // MARK: Encoding

    private static let trailerStart = Array(#","manifestHash":""#.utf8)
    private static let trailerEnd = Array("\"}\n".utf8)
    private static let trailerLength = trailerStart.count + 16 + trailerEnd.count

    /// One line of JSON whose last member is the hash of all bytes before that member.
    package func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var bytes: [UInt8]
        do {
            bytes = Array(try encoder.encode(self))
        } catch {
            throw ApusError("writing \(Self.fileName)", "the state cannot be written as JSON: \(error)")
        }
        bytes.removeLast()
        let hash = bytes.withUnsafeBytes { XXH64.hexadecimal($0) }
        return bytes + Self.trailerStart + Array(hash.utf8) + Self.trailerEnd
    }

    /// Decodes and checks a manifest; what it returns can be trusted to describe byte ranges and boxes that exist.
    package init(decoding bytes: [UInt8], operation: String) throws {
        let damaged = "the file is damaged or was edited: copy it again, or use an older checkpoint"
        let body = bytes.dropLast(Self.trailerLength)
        let trailer = bytes.suffix(Self.trailerLength)
        let hash = body.withUnsafeBytes { XXH64.hexadecimal($0) }
        guard !body.isEmpty, trailer.elementsEqual(Self.trailerStart + Array(hash.utf8) + Self.trailerEnd) else {
            throw ApusError(
                operation,
                "expected it to end with the hash of its contents, \(hash); found "
                    + String(decoding: trailer, as: UTF8.self).debugDescription, remedy: damaged)
        }
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch {
            throw ApusError(operation, "it is no manifest of a checkpoint: \(jsonProblem(error))", remedy: damaged)
        }
        try validate(operation: operation)
    }
}
