import Foundation
import Numerics

/// A copy of one rank's tensors, so that they can be written to disk while the originals change.
///
/// As large as what the rank writes: its share of the parameters and moments. The memory is kept, because every save
/// needs the same.
public final class CheckpointStaging: @unchecked Sendable {
    /// From `mmap`, with room to begin at a large page.
    private var reservation = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    private static let alignment = 64
    private static let largePage = 2 << 20
    /// Bytes that one thread copies at a time.
    private static let pieceBytes = 1 << 20

    public init() {}

    deinit { release() }

    /// Obtains the memory for these tensors and touches all of it, which the first copy would have to do otherwise.
    ///
    /// - Throws: `ApusError` where the machine has not enough.
    public func prepare(for tensors: [CheckpointTensor], on pool: ThreadPool) throws {
        try reserve(Self.offsets(of: tensors).size)
        pool.forEachRange(memory.count, tileSize: Self.largePage) { range, _ in
            UnsafeMutableRawBufferPointer(rebasing: memory[range]).initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    /// The same tensors with values of their own. What an earlier copy held is lost.
    ///
    /// - Throws: `ApusError` where the machine has not enough memory.
    public func copy(_ tensors: [CheckpointTensor], on pool: ThreadPool) throws -> [CheckpointTensor] {
        let (offsets, size) = Self.offsets(of: tensors)
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

    /// Where each tensor begins, and bytes of all.
    private static func offsets(of tensors: [CheckpointTensor]) -> (offsets: [Int], size: Int) {
        var offsets: [Int] = []
        var size = 0
        for tensor in tensors {
            offsets.append(size)
            size += (tensor.values.bytes.count + alignment - 1) / alignment * alignment
        }
        return (offsets, size)
    }

    private func reserve(_ bytes: Int) throws {
        guard bytes > memory.count else { return }
        let size = bytes + Self.largePage
        let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | Int32(MAP_ANONYMOUS), -1, 0)
        guard let address, address != MAP_FAILED else {
            throw ApusError(
                "obtaining memory for a copy of the state", "the system has none for \(byteText(bytes))",
                remedy: "set checkpoint.mode to synchronous, which needs no copy", kind: .runtime)
        }
        release()
        reservation = UnsafeMutableRawBufferPointer(start: address, count: size)
        memory = UnsafeMutableRawBufferPointer(start: address.alignedUp(toMultipleOf: Self.largePage), count: bytes)
        if bytes >= Self.largePage { madvise(memory.baseAddress!, bytes, Int32(MADV_HUGEPAGE)) }
    }

    private func release() {
        if let start = reservation.baseAddress { munmap(start, reservation.count) }
    }
}
