import Numerics

/// Documents turned into tokens, all in a row.
public protocol TokenDataset: Sendable {
    /// The file that holds the tokens.
    var path: String { get }
    /// Format and token type, for people.
    var format: String { get }
    var tokenCount: Int { get }
    /// 1 for formats that don't record where documents begin.
    var documentCount: Int { get }

    /// The tokens of a document, as positions in `0..<tokenCount`.
    func documentRange(_ document: Int) -> Range<Int>

    /// Fills `destination` with the tokens from position `start` on; all of them must exist.
    ///
    /// - Throws: `ApusError` naming file and position for a value that is no token id.
    func copyTokens(from start: Int, into destination: UnsafeMutableBufferPointer<Int32>) throws

    /// The file that holds the token at `position`, and its position there. For messages.
    func location(of position: Int) -> (path: String, position: Int)
}

extension TokenDataset {
    public func location(of position: Int) -> (path: String, position: Int) { (path, position) }

    /// The tokens at the positions in `range`.
    public func tokens(in range: Range<Int>) throws -> [Int32] {
        try [Int32](unsafeUninitializedCapacity: range.count) { buffer, count in
            try copyTokens(from: range.lowerBound, into: UnsafeMutableBufferPointer(rebasing: buffer[..<range.count]))
            count = range.count
        }
    }

    /// Reads all tokens once and makes sure that a model with this vocabulary knows them.
    ///
    /// - Returns: the largest token id, or -1 if there is none.
    /// - Throws: `ApusError` naming the file, the position and the token.
    @discardableResult
    public func validate(vocabularySize: Int) throws -> Int32 {
        let block = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 1 << 16)
        defer { block.deallocate() }
        var largest: Int32 = -1
        for start in stride(from: 0, to: tokenCount, by: block.count) {
            let part = UnsafeMutableBufferPointer(rebasing: block[..<min(block.count, tokenCount - start)])
            try copyTokens(from: start, into: part)
            largest = max(largest, try check(part, from: start, vocabularySize: vocabularySize))
        }
        return largest
    }

    /// The largest of `tokens`, which were copied from position `start` on.
    @discardableResult
    func check(
        _ tokens: UnsafeMutableBufferPointer<Int32>, from start: Int, vocabularySize: Int
    ) throws -> Int32 {
        var largest: Int32 = -1
        for token in tokens { largest = max(largest, token) }
        if Int(largest) < vocabularySize { return largest }
        let index = tokens.firstIndex { Int($0) >= vocabularySize } ?? 0
        let place = location(of: start + index)
        throw ApusError(
            "reading \(place.path)",
            "expected token ids below the vocabulary size \(vocabularySize), "
                + "found \(tokens[index]) at token \(place.position)",
            remedy: "use the tokenizer and the model's vocabulary that the shard was made for")
    }
}
