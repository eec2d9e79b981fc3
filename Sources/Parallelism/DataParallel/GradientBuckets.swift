/// Ranges of the flat gradient buffer in the order in which the backward pass completes them: from its end.
///
/// A bucket ends where a layer begins, so that it closes as soon as that layer's backward has run, and is large enough to
/// be worth a message of its own.
package struct GradientBuckets {
    package let ranges: [Range<Int>]

    /// - Parameters:
    ///   - count: Elements of the buffer.
    ///   - starts: Where layers begin whose backward is announced.
    ///   - smallest: Elements that a bucket must have, but for the last: 1 MiB.
    package init(count: Int, starts: [Int], smallest: Int = 1 << 18) {
        var ranges: [Range<Int>] = []
        var end = count
        for start in starts.sorted(by: >) where end - start >= smallest {
            ranges.append(start..<end)
            end = start
        }
        if end > 0 { ranges.append(0..<end) }
        self.ranges = ranges
    }

    /// How many buckets are complete when all elements from `start` on are.
    package func complete(from start: Int) -> Int { ranges.prefix { $0.lowerBound >= start }.count }
}
