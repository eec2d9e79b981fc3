/// Which token of which sequence each row of a matrix belongs to.
///
/// Rows are tokens of some sequences, one sequence after the other. Of each there is a *local* part: all of it, or two
/// chunks of it where sequences are cut over ranks. A matrix may begin in the middle of that, where the rows of all
/// sequences are cut over ranks.
public struct TokenPositions: BitwiseCopyable, Hashable, Sendable {
    /// Tokens of each sequence that are local.
    public let sequenceLength: Int
    /// Where the chunks begin in the sequence; the first is `firstLength` long, the second is the rest.
    private let firstStart: Int
    private let firstLength: Int
    private let secondStart: Int
    /// Local tokens, of all sequences, before row 0.
    private var skipped = 0

    /// Sequences that are whole from a position on.
    public init(sequenceLength: Int, firstPosition: Int = 0) {
        self.init(firstPosition..<firstPosition + sequenceLength)
    }

    /// Two chunks of every sequence, the earlier first.
    public init(_ first: Range<Int>, _ second: Range<Int>) {
        precondition(
            first.lowerBound >= 0 && first.upperBound <= second.lowerBound && !first.isEmpty,
            "chunks of a sequence must not overlap, the earlier comes first: got \(first) and \(second)")
        sequenceLength = first.count + second.count
        firstStart = first.lowerBound
        firstLength = first.count
        secondStart = second.lowerBound
    }

    private init(_ chunk: Range<Int>) {
        precondition(
            chunk.lowerBound >= 0 && !chunk.isEmpty, "a part of a sequence must have tokens, got positions \(chunk)")
        sequenceLength = chunk.count
        firstStart = chunk.lowerBound
        firstLength = chunk.count
        secondStart = chunk.upperBound
    }

    /// The same tokens without the first `row` rows.
    public func dropping(rows: Int) -> TokenPositions {
        var rest = self
        rest.skipped += rows
        return rest
    }

    /// The chunks of each sequence: one, or two.
    public var chunks: (first: Range<Int>, second: Range<Int>) {
        (firstStart..<firstStart + firstLength, secondStart..<secondStart + sequenceLength - firstLength)
    }

    /// One more than the largest position.
    public var end: Int {
        firstLength < sequenceLength ? secondStart + sequenceLength - firstLength : firstStart + firstLength
    }

    /// The position of a row's token in its sequence.
    public func position(ofRow row: Int) -> Int {
        let index = (row + skipped) % sequenceLength
        return index < firstLength ? firstStart + index : secondStart + index - firstLength
    }

    /// Which of the sequences a row's token belongs to.
    public func sequence(ofRow row: Int) -> Int { (row + skipped) / sequenceLength }

    /// The first row with a token at a position, of those from row 0 on; the next such row follows after
    /// `sequenceLength`. Nil where no sequence has that token here.
    func firstRow(at position: Int) -> Int? {
        let (first, second) = chunks
        let index: Int
        if first.contains(position) {
            index = position - firstStart
        } else if second.contains(position) {
            index = position - secondStart + firstLength
        } else {
            return nil
        }
        let row = (index - skipped) % sequenceLength
        return row < 0 ? row + sequenceLength : row
    }
}
