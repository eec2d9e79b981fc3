import Autograd

extension TokenPositions {
    /// The tokens of every sequence that a rank of the context axis has.
    ///
    /// A sequence is cut into twice as many chunks as there are ranks, and rank i has chunks i and 2N - 1 - i: one in
    /// which queries see few keys, and one in which they see many, so that causal attention is the same work for all.
    ///
    ///     N = 4:   0  1  2  3  3  2  1  0
    ///
    /// - Parameter sequenceLength: Of the whole; a multiple of twice the ranks.
    public static func part(_ rank: Int, of count: Int, sequenceLength: Int) -> TokenPositions {
        guard count > 1 else { return TokenPositions(sequenceLength: sequenceLength) }
        precondition(
            sequenceLength % (2 * count) == 0, "\(sequenceLength) tokens cannot be cut into \(2 * count) equal chunks")
        let length = sequenceLength / (2 * count)
        func chunk(_ index: Int) -> Range<Int> { index * length..<(index + 1) * length }
        return TokenPositions(chunk(rank), chunk(2 * count - 1 - rank))
    }
}
