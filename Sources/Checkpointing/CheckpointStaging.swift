import Foundation
import Numerics

/// A copy of one rank's tensors, so that they can be written to disk while the originals change.
///
/// As large as what the rank writes: its share of the parameters and moments. The memory is obtained by the first copy
/// and kept, because every save needs the same.
public final class CheckpointStaging: @unchecked Sendable {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    private static let alignment = 64
    /// Bytes that one thread copies at a time.
    private static let pieceBytes = 1 << 20

    public init() {}

    deinit {
        if let start = memory.baseAddress { munmap(start, memory.count) }
    }

    /// The same tensors with values of their own. What an earlier copy held is lost.
    ///
    /// - Throws: `ApusError` where the machine has not enough memory.
    public func copy(_ tensors: [CheckpointTensor], on pool: ThreadPool) throws -> [CheckpointTensor] {
        var offsets: [Int] = []
        var size = 0
        for tensor in tensors {
            offsets.append(size)
            size += (tensor.values.bytes.count + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        try reserve(size)
        var pieces: [(source: UnsafeRawBufferPointer, destination: UnsafeMutableRawPointer)] = []
        for (tensor, offset) in zip(tensors, offsets) {
            let bytes = tensor.values.bytes
            for start in stride(from: 0, to: bytes.count, by: Self.pieceBytes) {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + Self.pieceBytes, bytes.count)])
                pieces.append((piece, memory.baseAddress! + offset + start))
            }
        }
        pieces.withUnsafeBufferPointer { pieces in
            pool.forEachTile(pieces.count) { index, _ in
                let (source, destination) = pieces[index]
                destination.copyMemory(from: source.baseAddress!, byteCount: source.count)
            }
        }
        return zip(tensors, offsets).map { tensor, offset in
            let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + tensor.values.bytes.count])
            let values: FloatBuffer =
                switch tensor.values {
                case .float32: .float32(bytes.bindMemory(to: Float.self))
                case .bfloat16: .bfloat16(bytes.bindMemory(to: UInt16.self))
                }
            return CheckpointTensor(name: tensor.name, shape: tensor.shape, slice: tensor.slice, values: values)
        }
    }

    private func reserve(_ bytes: Int) throws {
        guard bytes > memory.count else { return }
        let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | Int32(MAP_ANONYMOUS), -1, 0)
        guard let address, address != MAP_FAILED else {
            throw ApusError(
                "copying the state for a checkpoint", "there is no memory for its \(byteText(bytes))",
                remedy: "set checkpoint.mode to synchronous, which needs no copy", kind: .runtime)
        }
        // Large pages make the first copy, which touches every page for the first time, three times as fast.
        madvise(address, bytes, Int32(MADV_HUGEPAGE))
        if let start = memory.baseAddress { munmap(start, memory.count) }
        memory = UnsafeMutableRawBufferPointer(start: address, count: bytes)
    }
}
