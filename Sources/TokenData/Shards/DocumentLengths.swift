/// How long the documents of a data set are, in tokens.
public struct DocumentLengths: Hashable, Sendable {
    public let shortest: Int
    public let longest: Int
    /// Rounded to the nearest token.
    public let mean: Int

    /// Nil if there is no document.
    public init?(of dataset: any TokenDataset) {
        let lengths = (0..<dataset.documentCount).lazy.map { dataset.documentRange($0).count }
        guard let shortest = lengths.min(), let longest = lengths.max() else { return nil }
        self.shortest = shortest
        self.longest = longest
        mean = Int((Double(dataset.tokenCount) / Double(dataset.documentCount)).rounded())
    }
}
