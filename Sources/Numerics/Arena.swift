import Foundation

/// Hands out float buffers from one stretch of memory, and takes them back to hand them out again in any size.
///
/// A request gets the smallest free block that fits it, and a block that is released joins its free neighbours, so
/// that the memory obtained from the system stays close to the most that was in use at once. The same requests in the
/// same order get the same addresses: from a training step's second run on, nothing is asked of the system and no page
/// is touched for the first time. Addresses are reserved once, as many as the machine has memory, and backed by pages
/// as they are used; all but the first few mebibytes in huge pages. Buffers are 64-byte aligned. Not thread-safe: one
/// arena belongs to one tape.
public final class Arena {
    /// Bytes handed out and not yet released; sizes are rounded up to cache lines.
    public private(set) var bytesInUse = 0
    /// The most that `bytesInUse` has been.
    public private(set) var peakBytesInUse = 0
    /// Bytes obtained from the system, in use or free.
    public private(set) var bytesReserved = 0

    private var memory = ReservedMemory()
    /// Free blocks below `end` by ascending offset. No two of them touch each other or `end`.
    private var free: [Block] = []
    /// Offset behind the last buffer that is in use.
    private var end = 0

    private struct Block {
        var offset: Int
        var size: Int
        var end: Int { offset + size }
    }

    public init() { free.reserveCapacity(256) }

    deinit { memory.release() }

    /// Uninitialised memory for `count` floats. Give it back with `release(_:count:)` and the same count.
    public func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
        let size = Self.size(count)
        bytesInUse += size
        peakBytesInUse = max(peakBytesInUse, bytesInUse)
        let offset = takeFreeBlock(size) ?? extend(by: size)
        return (memory.base! + offset).bindMemory(to: Float.self, capacity: size / 4)
    }

    /// Takes back a buffer that `allocate(_:)` returned for the same count.
    public func release(_ pointer: UnsafeMutablePointer<Float>, count: Int) {
        var block = Block(offset: UnsafeMutableRawPointer(pointer) - memory.base!, size: Self.size(count))
        bytesInUse -= block.size
        var index = indexOfFreeBlock(behind: block.offset)
        precondition(
            block.end <= end && (index == free.count || block.end <= free[index].offset)
                && (index == 0 || free[index - 1].end <= block.offset), "memory was released twice, or never allocated")
        if index > 0, free[index - 1].end == block.offset {
            index -= 1
            block = Block(offset: free[index].offset, size: free[index].size + block.size)
            free.remove(at: index)
        }
        if index < free.count, free[index].offset == block.end {
            block.size += free[index].size
            free.remove(at: index)
        }
        if block.end == end { end = block.offset } else { free.insert(block, at: index) }
    }

    private static func size(_ count: Int) -> Int { (max(count, 1) * 4 + 63) / 64 * 64 }

    /// The start of the smallest free block that is large enough, the first of several.
    private func takeFreeBlock(_ size: Int) -> Int? {
        var best = -1
        for index in free.indices where free[index].size >= size && (best < 0 || free[index].size < free[best].size) {
            best = index
        }
        guard best >= 0 else { return nil }
        let offset = free[best].offset
        if free[best].size == size {
            free.remove(at: best)
        } else {
            free[best] = Block(offset: offset + size, size: free[best].size - size)
        }
        return offset
    }

    private func extend(by size: Int) -> Int {
        let offset = end
        end += size
        if end > bytesReserved {
            memory.makeUsable(end)
            bytesReserved = end
        }
        return offset
    }

    /// Index of the first free block behind `offset`.
    private func indexOfFreeBlock(behind offset: Int) -> Int {
        var (low, high) = (0, free.count)
        while low < high {
            let middle = (low + high) / 2
            if free[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Uninitialised, aligned memory outside any arena; the caller frees it with `deallocate(_:)`.
    ///
    /// Large buffers are aligned to and advised as huge pages, which saves most of the page faults of their first use.
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
