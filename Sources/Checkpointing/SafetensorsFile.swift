import Foundation
import Numerics

/// A safetensors file open for reading; only the header is read before a tensor is asked for.
public final class SafetensorsFile {
    public let path: String
    public let header: SafetensorsHeader
    private let file: InputFile
    private let dataStart: Int

    /// - Throws: `ApusError` where the file cannot be read or is no well-formed safetensors file.
    public convenience init(_ path: String) throws {
        try self.init(path, fileSystem: HostFileSystem())
    }

    package init(_ path: String, fileSystem: any FileSystem) throws {
        self.path = path
        file = try InputFile(path, fileSystem: fileSystem, operation: "reading \(path)")
        (header, dataStart) = try SafetensorsHeader.read(from: file)
    }

    /// Tensor names in alphabetical order.
    public var names: [String] { header.tensors.keys.sorted() }

    public func contains(_ name: String) -> Bool { header.tensors[name] != nil }

    public func tensor(_ name: String) throws -> SafetensorsHeader.Tensor {
        guard let tensor = header.tensors[name] else {
            throw ApusError("reading \(path)", "there is no tensor \(name); found \(header.tensors.count) others")
        }
        return tensor
    }

    /// Fills `destination`, which has room for the tensor's elements, with its values; F16, BF16 and F64 are converted.
    public func read(_ name: String, into destination: UnsafeMutablePointer<Float>) throws {
        let tensor = try tensor(name)
        guard tensor.type.isConvertibleToFloat else {
            throw ApusError("reading \(path)", "expected floats in tensor \(name), found \(tensor.type.rawValue)")
        }
        try forEachPiece(of: tensor) { bytes, first, count in
            tensor.type.convert(bytes, count: count, to: destination + first)
        }
    }

    public func readFloats(_ name: String) throws -> [Float] {
        let count = try tensor(name).count
        return try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let base = buffer.baseAddress { try read(name, into: base) }
            initialized = count
        }
    }

    /// A tensor of integers of any width up to 64 signed bits.
    public func readIntegers(_ name: String) throws -> [Int64] {
        let tensor = try tensor(name)
        guard tensor.type.isInteger else {
            throw ApusError("reading \(path)", "expected integers in tensor \(name), found \(tensor.type.rawValue)")
        }
        return try [Int64](unsafeUninitializedCapacity: tensor.count) { buffer, initialized in
            if let base = buffer.baseAddress {
                try forEachPiece(of: tensor) { bytes, first, count in
                    tensor.type.convert(bytes, count: count, to: base + first)
                }
            }
            initialized = tensor.count
        }
    }

    /// A tensor's bytes as they are stored.
    public func readBytes(_ name: String) throws -> [UInt8] {
        let offsets = try tensor(name).dataOffsets
        return try file.readBytes(
            dataStart + offsets.lowerBound..<dataStart + offsets.upperBound, operation: "reading \(path)")
    }

    /// Reads a tensor in pieces of at most a mebibyte, so that a conversion needs no second copy of it.
    private func forEachPiece(
        of tensor: SafetensorsHeader.Tensor, _ body: (_ bytes: UnsafeRawPointer, _ first: Int, _ count: Int) -> Void
    ) throws {
        let pieceCount = (1 << 20) / tensor.type.size
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(tensor.count, pieceCount) * tensor.type.size, alignment: 64)
        defer { buffer.deallocate() }
        for first in stride(from: 0, to: tensor.count, by: pieceCount) {
            let count = min(pieceCount, tensor.count - first)
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * tensor.type.size)])
            let offset = dataStart + tensor.dataOffsets.lowerBound + first * tensor.type.size
            try file.read(into: piece, at: offset, operation: "reading \(path)")
            if let base = piece.baseAddress { body(base, first, count) }
        }
    }
}
