import Foundation

/// A stretch of addresses that is reserved at once and becomes memory from its start, bit by bit.
///
/// What is only reserved costs nothing and counts for no limit but that on addresses (`ulimit -v`).
struct ReservedMemory {
    /// Set by the first `makeUsable(_:)`. Aligned to huge pages.
    private(set) var base: UnsafeMutableRawPointer?
    private var reservation: UnsafeMutableRawBufferPointer?
    /// Bytes from `base` on that may be read and written.
    private var usableBytes = 0

    private static let hugePage = 2 << 20
    /// The first bytes are not backed by huge pages: a small model would have no use for most of one.
    private static let firstBytes = 2 * hugePage
    /// Bytes that become usable at a time after that.
    private static let step = 16 * hugePage

    /// Lets the first `bytes` bytes be read and written.
    mutating func makeUsable(_ bytes: Int) {
        if base == nil { reserve(atLeast: bytes) }
        guard let base, bytes > usableBytes else { return }
        let wanted = bytes <= Self.firstBytes ? Self.firstBytes : (bytes + Self.step - 1) / Self.step * Self.step
        let limit = reservation!.baseAddress! + reservation!.count - base
        let target = max(bytes, min(wanted, limit))
        let (start, count) = (base + usableBytes, target - usableBytes)
        guard target <= limit, mprotect(start, count, PROT_READ | PROT_WRITE) == 0 else { Self.fail(bytes) }
        if usableBytes > 0 || target > Self.firstBytes { madvise(start, count, Int32(MADV_HUGEPAGE)) }
        usableBytes = target
    }

    /// Gives everything back.
    mutating func release() {
        if let reservation { munmap(reservation.baseAddress!, reservation.count) }
        self = ReservedMemory()
    }

    /// As many addresses as the machine has bytes of memory, or as a limit on addresses leaves.
    private mutating func reserve(atLeast bytes: Int) {
        var count = max(sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)), Self.step)
        while count >= bytes {
            let address = mmap(
                nil, count + Self.hugePage, PROT_NONE, MAP_PRIVATE | Int32(MAP_ANONYMOUS) | Int32(MAP_NORESERVE), -1, 0)
            if let address, address != MAP_FAILED {
                reservation = UnsafeMutableRawBufferPointer(start: address, count: count + Self.hugePage)
                base = address.alignedUp(toMultipleOf: Self.hugePage)
                return
            }
            count /= 2
        }
        Self.fail(bytes)
    }

    private static func fail(_ bytes: Int) -> Never {
        fatalError("out of memory: could not have \(bytes) bytes for activations (\(String(cString: strerror(errno))))")
    }
}
