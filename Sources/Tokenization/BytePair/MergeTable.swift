import Numerics

/// Two adjacent tokens that become one.
struct TokenPair: Hashable, Comparable, Sendable {
    var left: Int32
    var right: Int32

    /// Both in one word, ordered as the pairs are.
    var bits: UInt64 { UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)) }

    static func < (first: TokenPair, second: TokenPair) -> Bool { first.bits < second.bits }
}

/// What becomes of a pair: its place in the order of merges, and the token that replaces it.
struct Merge: Sendable {
    var rank: Int32
    var token: Int32

    static let none = Merge(rank: .max, token: -1)
}

/// Pair → merge, by open addressing in memory that is never written after `init`.
final class MergeTable: Sendable {
    private struct Entry {
        var pair: UInt64
        var merge: Merge
    }

    nonisolated(unsafe) private let entries: UnsafeMutablePointer<Entry>
    private let mask: Int
    /// No pair of token ids, which are never negative, has these bits.
    private static let free = UInt64.max

    /// - Parameter merges: pairs in the order of their merges with the token each becomes; a pair that is given twice
    ///   keeps its first place.
    init(_ merges: [(pair: TokenPair, token: Int32)]) {
        var capacity = 1024
        while capacity < merges.count * 2 { capacity *= 2 }
        mask = capacity - 1
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Entry(pair: Self.free, merge: .none), count: capacity)
        for (rank, merge) in merges.enumerated() {
            let entry = entries + place(of: merge.pair.bits)
            guard entry.pointee.pair == Self.free else { continue }
            entry.pointee = Entry(pair: merge.pair.bits, merge: Merge(rank: Int32(rank), token: merge.token))
        }
    }

    deinit { entries.deallocate() }

    /// The merge of a pair, ``Merge/none`` if it has none.
    @inline(__always)
    subscript(_ left: Int32, _ right: Int32) -> Merge {
        entries[place(of: TokenPair(left: left, right: right).bits)].merge
    }

    @inline(__always)
    private func place(of pair: UInt64) -> Int {
        var place = Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while entries[place].pair != pair, entries[place].pair != Self.free { place = (place + 1) & mask }
        return place
    }
}
