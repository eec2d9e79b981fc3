extension TokenSampler {
    /// Where a sample stands in the data.
    public struct Place: Hashable, Sendable {
        /// The file with the sample's first token, and that token's position in it.
        public var path: String
        public var position: Int
        /// The documents that the sample has tokens of, numbered in the whole data set.
        public var documents: ClosedRange<Int>
    }

    /// Where the sample at `globalIndex` stands: what its inputs and targets were cut from.
    public func place(of globalIndex: UInt64) -> Place {
        let (dataset, start) = source(of: globalIndex)
        let file = dataset.location(of: start)
        let first = dataset.document(at: start)
        return Place(
            path: file.path, position: file.position,
            documents: first...max(first, dataset.document(at: start + sequenceLength)))
    }
}

extension TokenDataset {
    /// The document that holds the token at `position`, by bisection: documents stand in a row and fill the data set.
    func document(at position: Int) -> Int {
        precondition(position >= 0 && position < tokenCount, "token \(position) of \(tokenCount) in \(path)")
        var low = 0
        var high = documentCount
        while high - low > 1 {
            let middle = (low + high) / 2
            if documentRange(middle).lowerBound <= position { low = middle } else { high = middle }
        }
        return low
    }
}
