/// GPT-2's way of writing bytes as visible characters in vocabulary files: printable Latin-1 stands for itself, and the
/// other 68 bytes become U+0100, U+0101, … in ascending order. A space is `Ġ`, a newline `Ċ`.
enum ByteLevelAlphabet {
    /// The character of each byte.
    static let characters: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (0...255).map { (byte: UInt32) in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)!
            default:
                defer { next += 1 }
                return Unicode.Scalar(next)!
            }
        }
    }()

    /// The bytes in ascending order of their characters: the ids that new vocabularies give them, as GPT-2's has.
    static let bytesInOrder: [UInt8] = (0...255).sorted {
        characters[Int($0)].value < characters[Int($1)].value
    }

    /// The byte of each character up to `Ń`; -1 for those that stand for none.
    private static let byteOfCharacter: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() { bytes[Int(character.value)] = Int16(byte) }
        return bytes
    }()

    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(characters[Int(byte)]) }
        return String(text)
    }

    /// Appends the bytes that `text` stands for; returns false, with some of them appended, if it has a character that
    /// stands for no byte.
    static func decode(_ text: some StringProtocol, into bytes: inout [UInt8]) -> Bool {
        byteOfCharacter.withUnsafeBufferPointer { table in
            for scalar in text.unicodeScalars {
                guard scalar.value < 0x144, table[Int(scalar.value)] >= 0 else { return false }
                bytes.append(UInt8(table[Int(scalar.value)]))
            }
            return true
        }
    }
}
