import Numerics

/// Exchange of single-precision numbers that travel as bfloat16: half the bytes.
///
/// Every member sends its contributions rounded and adds those that it gets, and its own unrounded ones, in single
/// precision; the sums travel rounded, and their owner rounds its own too, so that all members have the same bits.
extension TreeExchange {
    /// Sums all members' contributions to this member's segment; see `reduceSegments`.
    ///
    /// - Parameter memory: Scratch.
    func reduceSegmentsRounded(_ contributions: [UnsafeRawPointer], into result: UnsafeMutablePointer<Float>) {
        let mine = segments[group.rank]
        let longest = segments.reduce(0) { max($0, $1.count) }
        let received = UnsafeMutablePointer<Float>(
            OpaquePointer(scratch.reserve(bytes: sources.count * wholeCacheLines(mine.count * 4))))
        let stride = wholeCacheLines(mine.count * 4) / 4
        let (outgoing, incoming) = wireMemory(count: max(longest, mine.count))
        for step in 1..<max(group.size, 1) {
            let to = (group.rank + step) % group.size
            let from = (group.rank - step + group.size) % group.size
            for node in 0..<mostNodes {
                let sends = node < nodes[group.rank].count
                let receives = node < nodes[from].count
                if sends {
                    BFloat16.round(
                        contributions[node].assumingMemoryBound(to: Float.self) + segments[to].lowerBound,
                        into: outgoing, count: segments[to].count)
                }
                exchangeRounded(
                    outgoing, count: sends ? segments[to].count : 0, to: sends ? to : nil,
                    incoming, count: receives ? mine.count : 0, from: receives ? from : nil)
                guard receives else { continue }
                let slot = sourceIndices[from][node]
                BFloat16.widen(incoming, into: received + slot * stride, count: mine.count)
                sources[slot] = UnsafeRawPointer(received + slot * stride)
            }
        }
        for (node, slot) in sourceIndices[group.rank].enumerated() {
            sources[slot] = contributions[node] + mine.lowerBound * 4
        }
        destination[0] = UnsafeMutableRawPointer(result)
        program.run(.sum, sources, count: mine.count, of: Float.self, into: destination)
    }

    /// Hands every member's segment, which is in its place in `buffer`, to all others, and rounds it everywhere.
    func gatherSegmentsRounded(_ buffer: UnsafeMutablePointer<Float>) {
        let mine = segments[group.rank]
        let (outgoing, incoming) = wireMemory(count: segments.reduce(0) { max($0, $1.count) })
        BFloat16.round(buffer + mine.lowerBound, into: outgoing, count: mine.count)
        BFloat16.widen(outgoing, into: buffer + mine.lowerBound, count: mine.count)
        for step in 1..<max(group.size, 1) {
            let to = (group.rank + step) % group.size
            let from = (group.rank - step + group.size) % group.size
            exchangeRounded(
                outgoing, count: mine.count, to: to, incoming, count: segments[from].count, from: from)
            BFloat16.widen(incoming, into: buffer + segments[from].lowerBound, count: segments[from].count)
        }
    }

    private func wireMemory(
        count: Int
    ) -> (outgoing: UnsafeMutablePointer<UInt16>, incoming: UnsafeMutablePointer<UInt16>) {
        let memory = wireScratch.reserve(bytes: 2 * wholeCacheLines(count * 2))
        return (
            memory.assumingMemoryBound(to: UInt16.self),
            (memory + wholeCacheLines(count * 2)).assumingMemoryBound(to: UInt16.self)
        )
    }

    private func exchangeRounded(
        _ outgoing: UnsafeMutablePointer<UInt16>, count sent: Int, to destination: Int?,
        _ incoming: UnsafeMutablePointer<UInt16>, count received: Int, from source: Int?
    ) {
        group.exchange(
            send: UnsafeRawBufferPointer(start: outgoing, count: sent * 2), to: destination,
            receive: UnsafeMutableRawBufferPointer(start: incoming, count: received * 2), from: source,
            waiting: waiting)
    }
}
