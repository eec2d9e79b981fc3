/// Where to cut a document in two.
package enum DocumentCut {
    /// The beginning of a last part that is about `lastFraction` of the text.
    ///
    /// Within half of that part's size around the exact point, the nearest beginning of a paragraph is taken, else of a
    /// line, else of a character. Nil if the text is a single character.
    package static func position(in text: [UInt8], lastFraction: Double) -> Int? {
        let lastCount = min(max(Int(Double(text.count) * lastFraction), 1), text.count)
        let target = text.count - lastCount
        // No character is longer than four bytes.
        let reach = max(lastCount / 2, 4)
        let criteria = [beginsParagraph, beginsLine, beginsCharacter]
        for begins in criteria {
            for distance in 0...reach {
                for position in [target + distance, target - distance]
                where 0 < position && position < text.count && begins(text, position) {
                    return position
                }
            }
        }
        return nil
    }

    /// After a line break that follows a line break.
    private static func beginsParagraph(_ text: [UInt8], _ position: Int) -> Bool {
        guard beginsLine(text, position) else { return false }
        let before = text[..<(position - 1)]
        return before.last == 0x0A || before.suffix(2).elementsEqual([0x0A, 0x0D])
    }

    private static func beginsLine(_ text: [UInt8], _ position: Int) -> Bool { text[position - 1] == 0x0A }

    private static func beginsCharacter(_ text: [UInt8], _ position: Int) -> Bool { text[position] & 0xC0 != 0x80 }
}
