/// The number of elements of a tensor, or nil where a dimension is negative or the product overflows.
package func elementCount(_ shape: [Int]) -> Int? {
    var count = 1
    for dimension in shape {
        guard dimension >= 0 else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
        if overflow { return nil }
        count = product
    }
    return count
}

/// A box of elements inside a tensor: a range of every dimension. A scalar's box has no dimensions and one element.
package struct HyperRectangle: Hashable, Sendable {
    package let ranges: [Range<Int>]

    package init(_ ranges: [Range<Int>]) { self.ranges = ranges }

    /// All of a tensor of this shape.
    package init(whole shape: [Int]) { ranges = shape.map { 0..<$0 } }

    package var shape: [Int] { ranges.map(\.count) }
    package var count: Int { ranges.reduce(1) { $0 * $1.count } }
    package var isEmpty: Bool { ranges.contains { $0.isEmpty } }

    package func isInside(shape: [Int]) -> Bool {
        ranges.count == shape.count && zip(ranges, shape).allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= $1 }
    }

    /// The common part of two boxes of the same tensor, or nil where they share nothing.
    package func intersection(_ other: HyperRectangle) -> HyperRectangle? {
        var common: [Range<Int>] = []
        for (mine, theirs) in zip(ranges, other.ranges) {
            let range = mine.clamped(to: theirs)
            if range.isEmpty { return nil }
            common.append(range)
        }
        return HyperRectangle(common)
    }

    /// Calls `body` with every run of elements of this box that is contiguous both in `source` and in `destination`,
    /// two row-major boxes that contain it: where the run starts in each, and its length. Runs come in rising order.
    package func forEachRun(
        from source: HyperRectangle, to destination: HyperRectangle,
        _ body: (_ sourceIndex: Int, _ destinationIndex: Int, _ count: Int) throws -> Void
    ) rethrows {
        if isEmpty { return }
        // Trailing dimensions that both boxes share in full join the run; so does the first one that they do not.
        var outer = ranges.count
        var runLength = 1
        while outer > 0 {
            outer -= 1
            runLength *= ranges[outer].count
            if ranges[outer] != source.ranges[outer] || ranges[outer] != destination.ranges[outer] { break }
        }
        let sourceStrides = Self.strides(source.shape)
        let destinationStrides = Self.strides(destination.shape)
        var position = ranges.map(\.lowerBound)
        while true {
            var (from, to) = (0, 0)
            for axis in ranges.indices {
                from += (position[axis] - source.ranges[axis].lowerBound) * sourceStrides[axis]
                to += (position[axis] - destination.ranges[axis].lowerBound) * destinationStrides[axis]
            }
            try body(from, to, runLength)
            var axis = outer - 1
            while axis >= 0 {
                position[axis] += 1
                if position[axis] < ranges[axis].upperBound { break }
                position[axis] = ranges[axis].lowerBound
                axis -= 1
            }
            if axis < 0 { return }
        }
    }

    private static func strides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
        return strides
    }
}

extension HyperRectangle: CustomStringConvertible {
    /// As in `[0:16, 32:64]`.
    package var description: String {
        "[" + ranges.map { "\($0.lowerBound):\($0.upperBound)" }.joined(separator: ", ") + "]"
    }
}
