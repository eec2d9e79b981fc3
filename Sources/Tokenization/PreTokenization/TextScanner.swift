/// Looks at the characters of a UTF-8 text. A byte that is not part of a well-formed sequence is a character of its own
/// that belongs to no class, like a symbol; so any bytes can be scanned.
///
/// Positions are byte offsets; callers pass only offsets in `0..<end`, which is what makes the unchecked reads safe.
struct TextScanner {
    let bytes: UnsafePointer<UInt8>
    let end: Int
    private let classes: UnsafePointer<UInt8>

    /// A view of `text` up to `end`, valid as long as `text` is. `text` must not be empty.
    init(_ text: UnsafeBufferPointer<UInt8>, end: Int) {
        bytes = text.baseAddress!
        self.end = end
        classes = CharacterClasses.shared.table
    }

    /// The class of the character at `position` and where the next one begins.
    @inline(__always)
    func character(at position: Int) -> (class: CharacterClass, end: Int) {
        let byte = bytes[position]
        if byte < 0x80 { return (CharacterClass(rawValue: classes[Int(byte)]), position + 1) }
        return longCharacter(at: position)
    }

    /// The end of the run of characters from `position` on whose class, seen through `mask`, is `kind`.
    @inline(__always)
    func endOfRun(from position: Int, of kind: CharacterClass, mask: CharacterClass) -> Int {
        var position = position
        while position < end {
            let byte = bytes[position]
            if byte < 0x80 {
                if classes[Int(byte)] & mask.rawValue != kind.rawValue { return position }
                position += 1
            } else {
                let character = longCharacter(at: position)
                if character.class.rawValue & mask.rawValue != kind.rawValue { return position }
                position = character.end
            }
        }
        return end
    }

    /// Where the character that ends at `position` begins; `start` is the first possible place.
    func startOfCharacter(endingAt position: Int, notBefore start: Int) -> Int {
        var candidate = position - 1
        while candidate > start, position - candidate < 4, bytes[candidate] & 0xC0 == 0x80 { candidate -= 1 }
        return character(at: candidate).end == position ? candidate : position - 1
    }

    @inline(never)
    private func longCharacter(at position: Int) -> (class: CharacterClass, end: Int) {
        let lead = UInt32(bytes[position])
        func continuation(_ offset: Int) -> UInt32? {
            guard position + offset < end else { return nil }
            let byte = bytes[position + offset]
            return byte & 0xC0 == 0x80 ? UInt32(byte & 0x3F) : nil
        }
        var value: UInt32 = 0
        var length = 1
        switch lead {
        case 0xC2...0xDF:
            if let second = continuation(1) {
                value = (lead & 0x1F) << 6 | second
                length = 2
            }
        case 0xE0...0xEF:
            if let second = continuation(1), let third = continuation(2) {
                value = (lead & 0x0F) << 12 | second << 6 | third
                // Overlong forms and surrogates are not characters.
                length = value >= 0x800 && !(0xD800...0xDFFF ~= value) ? 3 : 1
            }
        case 0xF0...0xF4:
            if let second = continuation(1), let third = continuation(2), let fourth = continuation(3) {
                value = (lead & 0x07) << 18 | second << 12 | third << 6 | fourth
                length = 0x1_0000...0x10_FFFF ~= value ? 4 : 1
            }
        default: break
        }
        if length == 1 { return ([], position + 1) }
        if Int(value) < CharacterClasses.tabulated {
            return (CharacterClass(rawValue: classes[Int(value)]), position + length)
        }
        return (Unicode.Scalar(value).map { CharacterClass($0) } ?? [], position + length)
    }
}
