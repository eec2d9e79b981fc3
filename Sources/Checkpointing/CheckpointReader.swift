import Foundation
import Numerics

/// Reads any slice of any tensor of a checkpoint, whatever layout wrote it.
///
/// Only the blocks (`CheckpointManifest.hashBlockBytes`) that hold wanted elements are read, and each of them is compared
/// with its hash before an element of it is used. Not thread-safe: every thread opens its own.
public final class CheckpointReader {
    /// The checkpoint's folder.
    public let path: String
    public let manifest: CheckpointManifest
    let fileSystem: any FileSystem
    var files: [String: InputFile] = [:]
    /// Grows to the largest block that is read: a manifest can claim any size.
    private var block = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Opens a checkpoint and checks its manifest.
    ///
    /// - Parameter path: a checkpoint's own folder, a folder of checkpoints, or a run's folder; of the latter two, the
    ///   latest checkpoint.
    public convenience init(_ path: String) throws {
        try self.init(path, fileSystem: HostFileSystem())
    }

    package convenience init(_ path: String, fileSystem: any FileSystem) throws {
        try self.init(stepFolder: try Self.stepFolder(path, fileSystem: fileSystem), fileSystem: fileSystem)
    }

    init(stepFolder path: String, fileSystem: any FileSystem) throws {
        self.path = path
        self.fileSystem = fileSystem
        let manifestPath = "\(path)/\(CheckpointManifest.fileName)"
        let operation = "reading \(manifestPath)"
        let file = try InputFile(manifestPath, fileSystem: fileSystem, operation: operation)
        guard file.size <= Self.maximumManifestBytes else {
            throw ApusError(operation, "it has \(file.size) bytes; expected at most \(Self.maximumManifestBytes)")
        }
        manifest = try CheckpointManifest(
            decoding: try file.readBytes(0..<file.size, operation: operation), operation: operation)
    }

    deinit { block.deallocate() }

    /// Enough for a million tensors in a hundred chunks.
    private static let maximumManifestBytes = 1 << 33

    /// Far below the usual limit of 1,024 for a process; a checkpoint may have more files than that.
    private static let maximumOpenFiles = 64

    static func stepFolder(_ path: String, fileSystem: any FileSystem) throws -> String {
        let operation = "opening the checkpoint \(path)"
        let folder = try CheckpointFolder.inRun(path, fileSystem: fileSystem)
        if (try? fileSystem.status("\(path)/\(CheckpointManifest.fileName)")) != nil { return path }
        guard let latest = try folder.latest() else {
            throw ApusError(
                operation,
                "there is neither a \(CheckpointManifest.fileName) nor a folder such as "
                    + "\(CheckpointFolder.name(step: 100)) in \(folder.path)",
                remedy: "name a checkpoint's folder, or a run's that has saved one")
        }
        return latest.path
    }

    // MARK: Tensors

    /// Fills `destination` with the elements of a box of a tensor, row-major.
    ///
    /// - Parameters:
    ///   - shape: where given, the whole shape that the tensor must have.
    ///   - slice: a range of every dimension.
    /// - Throws: `ApusError` naming the tensor, and the file and bytes where they are damaged or missing.
    public func read(
        _ name: String, shape: [Int]? = nil, slice: [Range<Int>], into destination: UnsafeMutablePointer<Float>
    ) throws {
        try read(name, shape: shape, slice: slice, as: .floats, into: UnsafeMutableRawPointer(destination))
    }

    /// Fills `destination` with the elements of a box of a tensor, row-major, as they are stored.
    func readStored(_ name: String, slice: [Range<Int>], into destination: UnsafeMutableRawPointer) throws {
        try read(name, shape: nil, slice: slice, as: .stored, into: destination)
    }

    private enum Form {
        case floats, stored
    }

    private func read(
        _ name: String, shape: [Int]?, slice: [Range<Int>], as form: Form, into destination: UnsafeMutableRawPointer
    ) throws {
        let operation = "reading tensor \(name) of \(path)"
        let tensor = try tensor(name, shape: shape, operation: operation)
        let wanted = HyperRectangle(slice)
        guard wanted.isInside(shape: tensor.shape) else {
            throw ApusError(operation, "expected a slice inside the shape \(tensor.shape), found \(wanted)")
        }
        guard form == .stored || tensor.dtype.isConvertibleToFloat else {
            throw ApusError(operation, "expected floats, found \(tensor.dtype.rawValue)")
        }
        for chunk in tensor.chunks {
            guard let common = wanted.intersection(chunk.box), !common.isEmpty else { continue }
            try read(common, of: chunk, tensor.dtype, as: form, into: destination, wanted, operation: operation)
        }
    }

    /// Checks that the checkpoint's tensors below `prefix` are those that a model has, name by name and shape by shape.
    ///
    /// - Parameter shapes: whole shapes by full logical name.
    public func requireTensors(_ shapes: [String: [Int]], prefix: String) throws {
        var problems: [String] = []
        for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
            if let found = manifest.tensors[name] {
                if found.shape != shape { problems.append("\(name): expected shape \(shape), found \(found.shape)") }
            } else {
                problems.append("\(name): expected shape \(shape), found no such tensor")
            }
        }
        for name in manifest.tensors.keys.sorted() where name.hasPrefix(prefix) && shapes[name] == nil {
            problems.append("\(name): the model has no such tensor")
        }
        guard problems.isEmpty else {
            let more = problems.count > 5 ? "; and \(problems.count - 5) more" : ""
            throw ApusError(
                "comparing the checkpoint \(path) with the model", problems.prefix(5).joined(separator: "; ") + more,
                remedy: "use the model configuration of the job that wrote it (apus checkpoint inspect shows it)")
        }
    }

    private func tensor(_ name: String, shape: [Int]?, operation: String) throws -> CheckpointManifest.Tensor {
        guard let tensor = manifest.tensors[name] else {
            throw ApusError(
                operation, "there is no such tensor among the \(manifest.tensors.count) that the checkpoint holds",
                remedy: "apus checkpoint inspect lists them")
        }
        if let shape, shape != tensor.shape {
            throw ApusError(operation, "expected shape \(shape), found \(tensor.shape)")
        }
        return tensor
    }

    // MARK: Chunks

    /// Copies the box `common` out of a chunk, block by verified block, into its place in the box `wanted`.
    private func read(
        _ common: HyperRectangle, of chunk: CheckpointManifest.Chunk, _ type: ElementType, as form: Form,
        into destination: UnsafeMutableRawPointer, _ wanted: HyperRectangle, operation: String
    ) throws {
        let isCopy = form == .stored || type == .float32
        let elementSize = isCopy ? type.size : MemoryLayout<Float>.size
        let file = try open(chunk.file, operation: operation)
        let blockCount = manifest.hashBlockBytes / type.size
        var loaded = -1
        try common.forEachRun(from: chunk.box, to: wanted) { source, target, count in
            var done = 0
            while done < count {
                // Runs rise through the chunk, so that each block is loaded once.
                let (index, first) = (source + done).quotientAndRemainder(dividingBy: blockCount)
                let bytes = blockBytes(index, of: chunk)
                let length = min(bytes.count / type.size - first, count - done)
                let place = destination + (target + done) * elementSize
                if isCopy && length * elementSize == bytes.count {
                    // A block that is wanted in full goes to its place without a copy.
                    let buffer = UnsafeMutableRawBufferPointer(start: place, count: bytes.count)
                    try load(index, of: chunk, file, into: buffer, operation: operation)
                } else {
                    if loaded != index {
                        try load(index, of: chunk, file, into: blockBuffer(bytes.count), operation: operation)
                        loaded = index
                    }
                    let source = UnsafeRawPointer(block.baseAddress! + first * type.size)
                    if isCopy {
                        place.copyMemory(from: source, byteCount: length * elementSize)
                    } else {
                        type.convert(source, count: length, to: place.assumingMemoryBound(to: Float.self))
                    }
                }
                done += length
            }
        }
    }

    /// Room for a block of a file that is known to have so many bytes.
    func blockBuffer(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if count > block.count {
            block.deallocate()
            block = .allocate(byteCount: count, alignment: 64)
        }
        return UnsafeMutableRawBufferPointer(rebasing: block[..<count])
    }

    /// Where block `index` of a chunk lies in its file.
    func blockBytes(_ index: Int, of chunk: CheckpointManifest.Chunk) -> Range<Int> {
        let start = chunk.start + index * manifest.hashBlockBytes
        return start..<min(start + manifest.hashBlockBytes, chunk.end)
    }

    func load(
        _ index: Int, of chunk: CheckpointManifest.Chunk, _ file: InputFile,
        into buffer: UnsafeMutableRawBufferPointer, operation: String
    ) throws {
        let bytes = blockBytes(index, of: chunk)
        try file.read(into: buffer, at: bytes.lowerBound, operation: operation)
        let found = XXH64.hexadecimal(UnsafeRawBufferPointer(buffer))
        guard found == chunk.hashes[index] else {
            throw ApusError(
                operation,
                "bytes \(bytes.lowerBound)..<\(bytes.upperBound) of \(file.path) are damaged: expected hash "
                    + "\(chunk.hashes[index]), found \(found)", remedy: Self.damageRemedy)
        }
    }

    static let damageRemedy = "copy the file again, or go on from an older checkpoint"

    /// A file of the checkpoint, whose size and header were found to be those that were written.
    func open(_ name: String, operation: String) throws -> InputFile {
        if let file = files[name] { return file }
        let file = try InputFile("\(path)/\(name)", fileSystem: fileSystem, operation: operation)
        // The manifest was validated: it lists every file that a chunk names.
        let expected = manifest.files[name]!
        guard file.size == expected.bytes else {
            throw ApusError(
                operation, "\(file.path) has \(file.size) bytes; expected \(expected.bytes)", remedy: Self.damageRemedy)
        }
        let header = try file.readBytes(0..<expected.headerBytes, operation: operation)
        let found = header.withUnsafeBytes { XXH64.hexadecimal($0) }
        guard found == expected.headerHash else {
            throw ApusError(
                operation,
                "the header of \(file.path), bytes 0..<\(expected.headerBytes), is damaged: expected hash "
                    + "\(expected.headerHash), found \(found)", remedy: Self.damageRemedy)
        }
        if files.count >= Self.maximumOpenFiles { files.removeAll() }
        files[name] = file
        return file
    }
}
