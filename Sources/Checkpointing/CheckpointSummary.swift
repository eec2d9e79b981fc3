import Foundation

/// What a checkpoint holds, for people and, encoded as JSON, for programs.
public struct CheckpointSummary: Encodable, Sendable {
    public let path: String
    public let step: Int
    public let tokensSeen: Int
    public let nextSample: Int
    /// Ranks of the job that wrote it.
    public let ranks: Int
    public let extra: [String: JSONValue]
    /// The resolved job document, YAML.
    public let job: String
    public let tensors: [Tensor]
    public let files: [File]
    /// Bytes of all files but the manifest.
    public let totalBytes: Int

    public struct Tensor: Encodable, Sendable {
        public let name: String
        public let dtype: ElementType
        public let shape: [Int]
        public let elements: Int
        /// Shape of each chunk.
        public let chunks: [[Int]]
    }

    public struct File: Encodable, Sendable {
        public let name: String
        public let bytes: Int
    }

    public init(_ reader: CheckpointReader) {
        let manifest = reader.manifest
        path = reader.path
        step = manifest.step
        tokensSeen = manifest.state.tokensSeen
        nextSample = manifest.state.nextSample
        ranks = manifest.ranks
        extra = manifest.state.extra
        job = manifest.state.job
        tensors = manifest.tensors.sorted { Self.naturally($0.key, $1.key) }.map { name, tensor in
            Tensor(
                name: name, dtype: tensor.dtype, shape: tensor.shape, elements: tensor.shape.reduce(1, *),
                chunks: tensor.chunks.map(\.shape))
        }
        files = manifest.files.sorted { $0.key < $1.key }.map { File(name: $0.key, bytes: $0.value.bytes) }
        totalBytes = files.reduce(0) { $0 + $1.bytes }
    }

    /// Block 2 before block 10.
    static func naturally(_ first: String, _ second: String) -> Bool {
        first.compare(second, options: .numeric) == .orderedAscending
    }

    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Several lines: the facts, the tensors, their totals, the files, the job.
    public func text() -> String {
        var facts = [
            ["checkpoint", path], ["step", grouped(step)], ["tokens seen", grouped(tokensSeen)],
            ["next sample", grouped(nextSample)], ["written by", ranks == 1 ? "1 rank" : "\(grouped(ranks)) ranks"],
        ]
        facts += extra.sorted { $0.key < $1.key }.map { [$0.key, $0.value.description] }
        let tensorRows = tensors.map { tensor in
            [tensor.name, tensor.dtype.rawValue, shapeText(tensor.shape), grouped(tensor.elements), chunkText(tensor)]
        }
        let fileRows = files.map { [$0.name, byteText($0.bytes)] } + [["total", byteText(totalBytes)]]
        let jobLines = job.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "  \($0)" }
        return [
            table(facts),
            table([["tensor", "type", "shape", "elements", "chunks"]] + tensorRows, rightAligned: [3]),
            table([["group", "tensors", "elements"]] + groupRows(), rightAligned: [1, 2]),
            table([["file", "size"]] + fileRows, rightAligned: [1]),
            "job\n" + jobLines.joined(separator: "\n").trimmingCharacters(in: .newlines),
        ].joined(separator: "\n\n")
    }

    /// Totals of the model and of each kind of optimizer state: the parts of a name before its last slash.
    private func groupRows() -> [[String]] {
        let groups = Dictionary(grouping: tensors) { tensor in
            tensor.name.lastIndex(of: "/").map { String(tensor.name[..<$0]) } ?? ""
        }
        return groups.sorted { $0.key < $1.key }.map { group, members in
            [group.isEmpty ? "(none)" : group, grouped(members.count), grouped(members.reduce(0) { $0 + $1.elements })]
        }
    }

    private func shapeText(_ shape: [Int]) -> String {
        shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: " × ")
    }

    /// As in `2 of 16 × 32`; nothing where the tensor lies in one piece.
    private func chunkText(_ tensor: Tensor) -> String {
        guard tensor.chunks.count > 1 else { return tensor.chunks.isEmpty ? "none" : "whole" }
        let shapes = Set(tensor.chunks)
        let kind = shapes.count == 1 ? " of \(shapeText(tensor.chunks[0]))" : " of \(shapes.count) shapes"
        return "\(tensor.chunks.count)\(kind)"
    }
}
