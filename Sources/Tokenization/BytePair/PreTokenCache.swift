import Foundation

/// Remembers the tokens of pre-tokens, so that merges run only for those not seen lately. Text repeats its words: most
/// look-ups end here.
///
/// Memory is bounded. A pre-token may be in any of four adjacent places; when all are taken, one is overwritten. Up to
/// four tokens are kept in the entry; longer results, and the bytes of pre-tokens too long for a key, are kept in
/// arenas, and when these are full the whole cache is emptied.
struct PreTokenCache: ~Copyable {
    private struct Entry {
        var key: PreTokenKey
        /// Unused places are -1. If the first is ``spilled``, the others are offset and count in `spilledTokens`, and
        /// for keys with a hash the last is the offset in `longBytes`.
        var tokens: (Int32, Int32, Int32, Int32)
    }

    private static let spilled: Int32 = -2
    private static let ways = 4
    /// Longer pre-tokens hardly come twice.
    static let longestPreToken = 256
    private static let arenaLimit = 1 << 20

    private let entries: UnsafeMutablePointer<Entry>
    private let capacity: Int
    private var spilledTokens: [Int32] = []
    private var longBytes: [UInt8] = []
    private var victim = 0

    /// - Parameter capacity: entries, of 32 bytes each; a power of two.
    init(capacity: Int) {
        precondition(capacity.nonzeroBitCount == 1, "a cache's capacity is a power of two, got \(capacity)")
        self.capacity = capacity
        // Zeroed memory is full of `PreTokenKey.none`, and costs nothing until it is touched.
        let memory = calloc(capacity + Self.ways, MemoryLayout<Entry>.stride)!
        entries = memory.bindMemory(to: Entry.self, capacity: capacity + Self.ways)
    }

    deinit { free(entries) }

    /// Appends the tokens of the pre-token `start..<end` of `text`, whose key is `key`; false if they are not known.
    @inline(__always)
    func append(
        _ key: PreTokenKey, _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, to output: inout TokenOutput
    ) -> Bool {
        let bucket = entries + Int(truncatingIfNeeded: key.hash) & (capacity - 1)
        for way in 0..<Self.ways where bucket[way].key == key {
            let tokens = bucket[way].tokens
            if tokens.0 >= 0 {
                output.append(tokens.0)
                if tokens.1 < 0 { return true }
                output.append(tokens.1)
                if tokens.2 >= 0 { output.append(tokens.2) }
                if tokens.3 >= 0 { output.append(tokens.3) }
                return true
            }
            return appendSpilled(bucket[way], text, start, end, to: &output)
        }
        return false
    }

    @inline(never)
    private func appendSpilled(
        _ entry: Entry, _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, to output: inout TokenOutput
    ) -> Bool {
        if !entry.key.isInline {
            let offset = Int(entry.tokens.3)
            guard offset + end - start <= longBytes.count,
                longBytes[offset..<offset + end - start].elementsEqual(text[start..<end])
            else { return false }
        }
        let offset = Int(entry.tokens.1)
        for token in spilledTokens[offset..<offset + Int(entry.tokens.2)] { output.append(token) }
        return true
    }

    /// Remembers the tokens of a pre-token that ``append(_:_:_:_:to:)`` didn't know.
    mutating func insert(
        _ key: PreTokenKey, _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int,
        tokens: UnsafeBufferPointer<Int32>
    ) {
        guard end - start <= Self.longestPreToken else { return }
        if spilledTokens.count + tokens.count > Self.arenaLimit || longBytes.count + end - start > Self.arenaLimit {
            removeAll()
        }
        var entry = Entry(key: key, tokens: (-1, -1, -1, -1))
        if key.isInline, tokens.count <= 4 {
            entry.tokens.0 = tokens[0]
            if tokens.count > 1 { entry.tokens.1 = tokens[1] }
            if tokens.count > 2 { entry.tokens.2 = tokens[2] }
            if tokens.count > 3 { entry.tokens.3 = tokens[3] }
        } else {
            entry.tokens = (Self.spilled, Int32(spilledTokens.count), Int32(tokens.count), Int32(longBytes.count))
            spilledTokens.append(contentsOf: tokens)
            if !key.isInline { longBytes.append(contentsOf: text[start..<end]) }
        }
        let bucket = entries + Int(truncatingIfNeeded: key.hash) & (capacity - 1)
        var way = (0..<Self.ways).first { bucket[$0].key == .none || bucket[$0].key == key }
        if way == nil {
            victim = (victim + 1) % Self.ways
            way = victim
        }
        bucket[way!] = entry
    }

    private mutating func removeAll() {
        memset(entries, 0, (capacity + Self.ways) * MemoryLayout<Entry>.stride)
        spilledTokens.removeAll(keepingCapacity: true)
        longBytes.removeAll(keepingCapacity: true)
    }
}

/// Collects tokens in a small buffer on their way to an array: appending to the array one by one would check it for
/// uniqueness and capacity each time.
struct TokenOutput: ~Copyable {
    private static let capacity = 1024
    private let buffer = UnsafeMutablePointer<Int32>.allocate(capacity: Self.capacity)
    private var count = 0
    private var tokens: [Int32] = []

    deinit { buffer.deallocate() }

    /// Takes over an array to append to, until ``finish(_:)``.
    mutating func begin(_ destination: inout [Int32]) {
        swap(&tokens, &destination)
    }

    /// Gives the array back with all that was appended.
    mutating func finish(_ destination: inout [Int32]) {
        flush()
        swap(&tokens, &destination)
    }

    @inline(__always)
    mutating func append(_ token: Int32) {
        if count == Self.capacity { flush() }
        buffer[count] = token
        count += 1
    }

    @inline(never)
    private mutating func flush() {
        tokens.append(contentsOf: UnsafeBufferPointer(start: buffer, count: count))
        count = 0
    }
}
