import Synchronization

// The C library's allocator, under names that only this program uses itself.

@_silgen_name("__libc_malloc") private func libraryMalloc(_ size: Int) -> UnsafeMutableRawPointer?
@_silgen_name("__libc_calloc") private func libraryCalloc(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer?
@_silgen_name("__libc_realloc") private func libraryRealloc(
    _ pointer: UnsafeMutableRawPointer?, _ size: Int
) -> UnsafeMutableRawPointer?
@_silgen_name("__libc_memalign") private func libraryMemalign(
    _ alignment: Int, _ size: Int
) -> UnsafeMutableRawPointer?

/// Counts what every thread of the process takes from the heap, whoever asks: the linker gives the functions below the
/// names `malloc` and so on (see Package.swift), and Swift's runtime and all libraries then call them instead of the C
/// library's.
enum AllocationCounter {
    private static let calls = Atomic<Int>(0)

    /// Allocations so far.
    static var count: Int { calls.load(ordering: .relaxed) }

    /// Called in the thread that allocates, while set. Must not allocate.
    nonisolated(unsafe) static var onAllocation: (@convention(c) () -> Void)?

    static func note() {
        calls.add(1, ordering: .relaxed)
        if let onAllocation { onAllocation() }
    }
}

@_cdecl("counted_malloc") public func countedMalloc(_ size: Int) -> UnsafeMutableRawPointer? {
    AllocationCounter.note()
    return libraryMalloc(size)
}

@_cdecl("counted_calloc") public func countedCalloc(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer? {
    AllocationCounter.note()
    return libraryCalloc(count, size)
}

@_cdecl("counted_realloc") public func countedRealloc(
    _ pointer: UnsafeMutableRawPointer?, _ size: Int
) -> UnsafeMutableRawPointer? {
    AllocationCounter.note()
    return libraryRealloc(pointer, size)
}

@_cdecl("counted_aligned_alloc") public func countedAlignedAllocation(
    _ alignment: Int, _ size: Int
) -> UnsafeMutableRawPointer? {
    AllocationCounter.note()
    return libraryMemalign(alignment, size)
}

@_cdecl("counted_posix_memalign") public func countedPosixMemalign(
    _ result: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ alignment: Int, _ size: Int
) -> Int32 {
    AllocationCounter.note()
    guard let memory = libraryMemalign(alignment, size) else { return 12 }
    result.pointee = memory
    return 0
}
