/// Applies merges to one pre-token at a time, lowest rank first and leftmost among equals.
struct MergeWorkspace {
    private var tokens: [Int32] = []
    /// `merges[i]` is what would become of `tokens[i]` and the token after it.
    private var merges: [Merge] = []

    // Used for long pieces only: a list that links what is left, and the possible merges as a heap.
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap: [Candidate] = []

    /// Up to this many bytes, looking at every pair for each merge is faster than keeping a heap.
    private static let longPiece = 96

    private struct Candidate: Comparable {
        /// Rank in the upper half, position in the lower: compares as merges are ordered.
        var order: UInt64
        var left: Int32
        var right: Int32

        static func < (first: Candidate, second: Candidate) -> Bool { first.order < second.order }
    }

    /// Lends the tokens of a piece of text to `body`; `bytes` are one or more tokens, each of a byte.
    mutating func withMerged<Result>(
        _ bytes: UnsafeBufferPointer<UInt8>, byteTokens: [Int32], table: MergeTable,
        _ body: (UnsafeBufferPointer<Int32>) -> Result
    ) -> Result {
        tokens.removeAll(keepingCapacity: true)
        for byte in bytes { tokens.append(byteTokens[Int(byte)]) }
        if bytes.count <= Self.longPiece {
            mergeShort(table)
        } else {
            mergeLong(table)
        }
        return tokens.withUnsafeBufferPointer(body)
    }

    private mutating func mergeShort(_ table: MergeTable) {
        merges.removeAll(keepingCapacity: true)
        for index in tokens.indices.dropLast() { merges.append(table[tokens[index], tokens[index + 1]]) }
        while !merges.isEmpty {
            var best = 0
            for index in merges.indices where merges[index].rank < merges[best].rank { best = index }
            let merge = merges[best]
            if merge.rank == .max { return }
            tokens[best] = merge.token
            tokens.remove(at: best + 1)
            merges.remove(at: best)
            if best < merges.count { merges[best] = table[tokens[best], tokens[best + 1]] }
            if best > 0 { merges[best - 1] = table[tokens[best - 1], tokens[best]] }
        }
    }

    /// O(n log n). Entries of the heap that a merge has made obsolete are recognised when they come up: one of their
    /// two tokens is no longer there.
    private mutating func mergeLong(_ table: MergeTable) {
        let count = tokens.count
        next = (1...count).map { $0 == count ? -1 : Int32($0) }
        previous = (0..<count).map { Int32($0) - 1 }
        heap.removeAll(keepingCapacity: true)
        for index in 0..<count - 1 { pushCandidate(at: Int32(index), table) }
        while let candidate = heap.popMinimum() {
            let position = Int32(truncatingIfNeeded: candidate.order)
            let index = Int(position)
            let following = next[index]
            guard following >= 0, tokens[index] == candidate.left, tokens[Int(following)] == candidate.right else {
                continue
            }
            tokens[index] = table[candidate.left, candidate.right].token
            tokens[Int(following)] = -1
            next[index] = next[Int(following)]
            if next[index] >= 0 { previous[Int(next[index])] = position }
            pushCandidate(at: position, table)
            if previous[index] >= 0 { pushCandidate(at: previous[index], table) }
        }
        tokens.removeAll { $0 < 0 }
    }

    private mutating func pushCandidate(at position: Int32, _ table: MergeTable) {
        let following = next[Int(position)]
        guard following >= 0 else { return }
        let left = tokens[Int(position)]
        let right = tokens[Int(following)]
        let merge = table[left, right]
        guard merge.rank != .max else { return }
        let order = UInt64(UInt32(merge.rank)) << 32 | UInt64(UInt32(position))
        heap.pushMinimum(Candidate(order: order, left: left, right: right))
    }
}
