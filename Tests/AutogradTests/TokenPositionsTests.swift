import Autograd
import Testing

@Suite struct TokenPositionsTests {
    @Test func wholeSequencesFollowEachOther() {
        let positions = TokenPositions(sequenceLength: 3, firstPosition: 2)
        #expect((0..<7).map(positions.position) == [2, 3, 4, 2, 3, 4, 2])
        #expect((0..<7).map(positions.sequence) == [0, 0, 0, 1, 1, 1, 2])
        #expect(positions.end == 5)
    }

    @Test func chunksLieSideBySide() {
        let positions = TokenPositions(2..<4, 8..<11)
        #expect(positions.sequenceLength == 5)
        #expect((0..<6).map(positions.position) == [2, 3, 8, 9, 10, 2])
        #expect(positions.chunks.first == 2..<4)
        #expect(positions.chunks.second == 8..<11)
        #expect(positions.end == 11)
    }

    @Test func rowsCanBeDroppedTwice() {
        let positions = TokenPositions(2..<4, 8..<11)
        let rest = positions.dropping(rows: 3).dropping(rows: 4)
        #expect((0..<9).map(rest.position) == (7..<16).map(positions.position))
        #expect((0..<9).map(rest.sequence) == (7..<16).map(positions.sequence))
    }
}
