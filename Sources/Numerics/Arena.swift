import Foundation

/// A cache of float buffers: what is released is handed out again to the next request of the same size.
///
/// A training step asks for the same sizes in the same order every time, so from the second step on nothing is
/// allocated. Buffers are 64-byte aligned; large ones are aligned to and advised as huge pages, which saves most of the
/// page faults of the first step. Not thread-safe: one arena belongs to one tape.
public final class Arena {
    private var free: [Int: [UnsafeMutablePointer<Float>]] = [:]

    /// Bytes handed out and not yet released.
    public private(set) var bytesInUse = 0
    /// The most that `bytesInUse` has been.
    public private(set) var peakBytesInUse = 0
    /// Bytes obtained from the system, in use or cached.
    public private(set) var bytesReserved = 0

    public init() {}

    deinit {
        for buffers in free.values {
            for buffer in buffers { Self.deallocate(buffer) }
        }
    }

    /// Uninitialised memory for `count` floats. Give it back with `release(_:count:)` and the same count.
    public func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
        bytesInUse += count * 4
        peakBytesInUse = max(peakBytesInUse, bytesInUse)
        if let cached = free[count]?.popLast() { return cached }
        bytesReserved += count * 4
        return Self.allocateAligned(count)
    }

    public func release(_ pointer: UnsafeMutablePointer<Float>, count: Int) {
        bytesInUse -= count * 4
        free[count, default: []].append(pointer)
    }

    /// Uninitialised, aligned memory outside any arena; the caller frees it with `deallocate(_:)`.
    public static func allocateAligned(_ count: Int) -> UnsafeMutablePointer<Float> {
        let hugePage = 2 << 20
        let bytes = max(count, 1) * 4
        let alignment = bytes >= 2 * hugePage ? hugePage : 64
        var raw: UnsafeMutableRawPointer?
        let status = posix_memalign(&raw, alignment, (bytes + 63) / 64 * 64)
        guard status == 0, let raw else {
            fatalError("out of memory: could not allocate \(bytes) bytes (\(String(cString: strerror(status))))")
        }
        if bytes >= 2 * hugePage { madvise(raw, bytes, Int32(MADV_HUGEPAGE)) }
        return raw.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    public static func deallocate(_ pointer: UnsafeMutablePointer<Float>) { Foundation.free(pointer) }
}
