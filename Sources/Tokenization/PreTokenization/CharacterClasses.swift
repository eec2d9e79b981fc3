/// What the split patterns ask about a character, as bits.
struct CharacterClass: OptionSet, Sendable {
    let rawValue: UInt8

    /// `\p{L}`
    static let letter = CharacterClass(rawValue: 1)
    /// `\p{N}`
    static let number = CharacterClass(rawValue: 2)
    /// `\s`
    static let whitespace = CharacterClass(rawValue: 4)
    /// `[\r\n]`
    static let newline = CharacterClass(rawValue: 8)
    /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
    static let upperLike = CharacterClass(rawValue: 16)
    /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
    static let lowerLike = CharacterClass(rawValue: 32)

    init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    init(_ scalar: Unicode.Scalar) {
        self =
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .titlecaseLetter: [.letter, .upperLike]
            case .lowercaseLetter: [.letter, .lowerLike]
            case .modifierLetter, .otherLetter: [.letter, .upperLike, .lowerLike]
            case .nonspacingMark, .spacingMark, .enclosingMark: [.upperLike, .lowerLike]
            case .decimalNumber, .letterNumber, .otherNumber: .number
            default: []
            }
        if scalar.properties.isWhitespace { insert(.whitespace) }
        if scalar == "\n" || scalar == "\r" { insert(.newline) }
    }
}

/// The classes of the characters of the first two Unicode planes, in a table made from the standard library's Unicode
/// data at first use (a few milliseconds). The planes above hold rare ideographs and are looked up one by one.
final class CharacterClasses: Sendable {
    static let shared = CharacterClasses()
    static let tabulated = 0x2_0000

    nonisolated(unsafe) let table: UnsafePointer<UInt8>

    private init() {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: Self.tabulated)
        for value in 0..<Self.tabulated {
            let scalar = Unicode.Scalar(UInt32(value))
            table[value] = scalar.map { CharacterClass($0).rawValue } ?? 0
        }
        self.table = UnsafePointer(table)
    }

    deinit { table.deallocate() }
}
