extension UnsafeRawPointer {
    /// Fills the tables of pointers that are allocated once and set anew by every call.
    static var unset: UnsafeRawPointer { UnsafeRawPointer(bitPattern: 1)! }
}

extension UnsafeMutableRawPointer {
    /// Fills the tables of pointers that are allocated once and set anew by every call.
    static var unset: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: 1)! }
}

/// Memory that grows to the largest request and is kept.
struct ScratchMemory: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private var capacity = 0

    init() {}

    deinit { memory?.deallocate() }

    /// At least `bytes` bytes; what was there before is lost.
    mutating func reserve(bytes: Int) -> UnsafeMutableRawPointer {
        if let memory, bytes <= capacity { return memory }
        memory?.deallocate()
        capacity = max(bytes, 64)
        let grown = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
        memory = grown
        return grown
    }
}

/// Part `index` when `count` elements are cut into `parts` nearly equal ranges that begin at multiples of `multiple`,
/// so that two ranks do not write the same cache line.
func evenSegment(_ index: Int, of parts: Int, count: Int, multiple: Int = 16) -> Range<Int> {
    let units = (count + multiple - 1) / multiple
    let start = min(units * index / parts * multiple, count)
    return start..<min(units * (index + 1) / parts * multiple, count)
}

/// `bytes` rounded up to a multiple of 64.
func wholeCacheLines(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
