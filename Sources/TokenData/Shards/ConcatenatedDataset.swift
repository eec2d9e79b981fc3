import Numerics

/// Several data sets, one after the other, as if they were one.
public struct ConcatenatedDataset: TokenDataset {
    public let parts: [any TokenDataset]

    /// Where each part begins, and at last where the last one ends.
    private let tokenStarts: [Int]
    private let documentStarts: [Int]

    public init(_ parts: [any TokenDataset]) {
        precondition(!parts.isEmpty, "a data set needs at least one part")
        self.parts = parts
        tokenStarts = Self.starts(parts.map(\.tokenCount))
        documentStarts = Self.starts(parts.map(\.documentCount))
    }

    public var path: String { parts.map(\.path).joined(separator: ", ") }
    public var format: String { Set(parts.map(\.format)).sorted().joined(separator: "; ") }
    public var tokenCount: Int { tokenStarts[parts.count] }
    public var documentCount: Int { documentStarts[parts.count] }

    public func documentRange(_ document: Int) -> Range<Int> {
        let part = Self.part(of: document, in: documentStarts)
        let range = parts[part].documentRange(document - documentStarts[part])
        return range.lowerBound + tokenStarts[part]..<range.upperBound + tokenStarts[part]
    }

    public func copyTokens(from start: Int, into destination: UnsafeMutableBufferPointer<Int32>) throws {
        precondition(
            start >= 0 && destination.count <= tokenCount - start,
            "tokens \(start)..<\(start + destination.count) of \(tokenCount)")
        var copied = 0
        while copied < destination.count {
            let position = start + copied
            let part = Self.part(of: position, in: tokenStarts)
            let count = min(destination.count - copied, tokenStarts[part + 1] - position)
            try parts[part].copyTokens(
                from: position - tokenStarts[part],
                into: UnsafeMutableBufferPointer(rebasing: destination[copied..<copied + count]))
            copied += count
        }
    }

    public func location(of position: Int) -> (path: String, position: Int) {
        let part = Self.part(of: position, in: tokenStarts)
        return parts[part].location(of: position - tokenStarts[part])
    }

    private static func starts(_ counts: [Int]) -> [Int] {
        var starts = [0]
        for (index, count) in counts.enumerated() { starts.append(starts[index] + count) }
        return starts
    }

    /// The part that holds `position`; empty parts hold none.
    private static func part(of position: Int, in starts: [Int]) -> Int {
        precondition(
            position >= 0 && position < starts[starts.count - 1], "position \(position) is not in the data set")
        var low = 0
        var high = starts.count - 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= position { low = middle } else { high = middle }
        }
        return low
    }
}
