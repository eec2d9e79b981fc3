/// Counts pre-tokens: an open-addressing table that one thread fills, and that is then added to another's.
struct PreTokenCounter: ~Copyable, @unchecked Sendable {
    private struct Entry {
        var key: PreTokenKey
        var count: Int
        /// Where the bytes are, for keys that don't hold them.
        var offset: Int
        var length: Int
    }

    private var entries: UnsafeMutablePointer<Entry>
    private var capacity: Int
    private var longBytes: [UInt8] = []
    /// Different pre-tokens.
    private(set) var count = 0

    init() {
        capacity = 1 << 12
        entries = Self.makeEntries(capacity)
    }

    deinit { entries.deallocate() }

    private static func makeEntries(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        entries.initialize(repeating: Entry(key: .none, count: 0, offset: 0, length: 0), count: capacity)
        return entries
    }

    /// Counts each pre-token of a text.
    mutating func addPreTokens(of text: UnsafeBufferPointer<UInt8>, _ preTokenizer: PreTokenizer) {
        preTokenizer.forEachPreToken(in: text) { add(text, $0, $1) }
    }

    /// Counts the pre-token `start..<end` of `text` `times` times.
    @inline(__always)
    mutating func add(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, times: Int = 1) {
        let key = PreTokenKey(text, start, end)
        var place = Int(truncatingIfNeeded: key.hash) & (capacity - 1)
        while entries[place].key != .none {
            if entries[place].key == key, key.isInline || hasBytes(entries[place], text, start, end) {
                entries[place].count += times
                return
            }
            place = (place + 1) & (capacity - 1)
        }
        insert(key, text, start, end, times: times, at: place)
    }

    @inline(never)
    private func hasBytes(_ entry: Entry, _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        longBytes[entry.offset..<entry.offset + entry.length].elementsEqual(text[start..<end])
    }

    @inline(never)
    private mutating func insert(
        _ key: PreTokenKey, _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, times: Int, at place: Int
    ) {
        entries[place] = Entry(key: key, count: times, offset: longBytes.count, length: end - start)
        if !key.isInline { longBytes.append(contentsOf: text[start..<end]) }
        count += 1
        if count * 2 > capacity { grow() }
    }

    private mutating func grow() {
        let old = entries
        let oldCapacity = capacity
        capacity *= 4
        entries = Self.makeEntries(capacity)
        for index in 0..<oldCapacity where old[index].key != .none {
            var place = Int(truncatingIfNeeded: old[index].key.hash) & (capacity - 1)
            while entries[place].key != .none { place = (place + 1) & (capacity - 1) }
            entries[place] = old[index]
        }
        old.deallocate()
    }

    /// Calls `body` with the bytes and the count of every pre-token, in no particular order.
    func visit(_ body: (UnsafeBufferPointer<UInt8>, Int) -> Void) {
        longBytes.withUnsafeBufferPointer { longBytes in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { short in
                for index in 0..<capacity where entries[index].key != .none {
                    let entry = entries[index]
                    if entry.key.isInline {
                        for position in 0..<entry.length { short[position] = entry.key.byte(position) }
                        body(UnsafeBufferPointer(rebasing: short[..<entry.length]), entry.count)
                    } else {
                        let range = entry.offset..<entry.offset + entry.length
                        body(UnsafeBufferPointer(rebasing: longBytes[range]), entry.count)
                    }
                }
            }
        }
    }

    /// Adds all that another counter has counted.
    mutating func add(_ other: borrowing PreTokenCounter) {
        other.visit { bytes, count in add(bytes, 0, bytes.count, times: count) }
    }
}
