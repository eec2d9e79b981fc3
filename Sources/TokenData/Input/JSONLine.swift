/// Takes one string field out of a JSON object (RFC 8259) that stands on one line.
///
/// The whole line is checked, but only the wanted field is turned into bytes, so a large data set is read at the speed
/// of a scan. A field that occurs twice counts with its last value.
package struct JSONLine {
    package struct Failure: Error {
        package let reason: String
        /// In bytes from the line's beginning.
        package let column: Int
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let field: [UInt8]
    private var position = 0

    /// Deeper nesting than any data set has; a limit keeps the recursion off the end of the stack.
    private static let deepestNesting = 256

    /// The UTF-8 of `field`. An escaped surrogate without its partner comes out as the three bytes of its code point,
    /// which are not valid UTF-8.
    package static func text(of field: String, in bytes: UnsafeBufferPointer<UInt8>) throws(Failure) -> [UInt8] {
        var line = JSONLine(bytes: bytes, field: Array(field.utf8))
        return try line.parse()
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, field: [UInt8]) {
        self.bytes = bytes
        self.field = field
    }

    private mutating func parse() throws(Failure) -> [UInt8] {
        skipSpace()
        guard take("{") else { throw failure("expected an object, that is {…},") }
        var text: [UInt8]?
        var names: [String] = []
        skipSpace()
        if !take("}") {
            repeat {
                skipSpace()
                let name = try string(keeping: true)
                skipSpace()
                guard take(":") else { throw failure("expected ':'") }
                skipSpace()
                if name == field {
                    guard peek() == UInt8(ascii: "\"") else {
                        throw failure("expected a string in field '\(String(decoding: field, as: UTF8.self))'")
                    }
                    text = try string(keeping: true)
                } else {
                    if names.count < 8 { names.append("'\(String(decoding: name, as: UTF8.self))'") }
                    try skipValue(depth: 1)
                }
                skipSpace()
            } while take(",")
            guard take("}") else { throw failure("expected ',' or '}'") }
        }
        skipSpace()
        guard position == bytes.count else { throw failure("expected the end of the line") }
        guard let text else {
            let present = names.isEmpty ? "it has none" : "it has \(names.joined(separator: ", "))"
            throw Failure(
                reason: "the object has no field '\(String(decoding: field, as: UTF8.self))': \(present)", column: 0)
        }
        return text
    }

    // MARK: Values

    private mutating func skipValue(depth: Int) throws(Failure) {
        guard depth < Self.deepestNesting else { throw failure("nested deeper than \(Self.deepestNesting) levels") }
        switch peek() {
        case UInt8(ascii: "\""): _ = try string(keeping: false)
        case UInt8(ascii: "{"), UInt8(ascii: "["): try skipContainer(depth: depth)
        case UInt8(ascii: "t"): try skipLiteral("true")
        case UInt8(ascii: "f"): try skipLiteral("false")
        case UInt8(ascii: "n"): try skipLiteral("null")
        default: try skipNumber()
        }
    }

    private mutating func skipContainer(depth: Int) throws(Failure) {
        let isObject = take("{")
        if !isObject { position += 1 }
        let close: Unicode.Scalar = isObject ? "}" : "]"
        skipSpace()
        if take(close) { return }
        repeat {
            skipSpace()
            if isObject {
                _ = try string(keeping: false)
                skipSpace()
                guard take(":") else { throw failure("expected ':'") }
                skipSpace()
            }
            try skipValue(depth: depth + 1)
            skipSpace()
        } while take(",")
        guard take(close) else { throw failure("expected ',' or '\(close)'") }
    }

    private mutating func skipLiteral(_ literal: StaticString) throws(Failure) {
        for index in 0..<literal.utf8CodeUnitCount {
            guard peek() == literal.utf8Start[index] else { throw failure("expected \(literal)") }
            position += 1
        }
    }

    private mutating func skipNumber() throws(Failure) {
        _ = take("-")
        let leadingZero = take("0")
        if !leadingZero { try skipDigits() }
        if take(".") { try skipDigits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try skipDigits()
        }
    }

    private mutating func skipDigits() throws(Failure) {
        let start = position
        while let byte = peek(), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { position += 1 }
        guard position > start else { throw failure("expected a value") }
    }

    // MARK: Strings

    /// Reads a string and returns its UTF-8, or nothing when it isn't kept.
    private mutating func string(keeping: Bool) throws(Failure) -> [UInt8] {
        guard take("\"") else { throw failure("expected a string") }
        var result: [UInt8] = []
        while true {
            let start = position
            while position < bytes.count, !Self.endsRun(bytes[position]) { position += 1 }
            if keeping { result.append(contentsOf: bytes[start..<position]) }
            if take("\"") { return result }
            guard take("\\") else {
                throw failure(position == bytes.count ? "the string has no end:" : "a control character in a string:")
            }
            let scalar = try escape()
            if keeping { Self.appendUTF8(scalar, to: &result) }
        }
    }

    /// Whether a byte ends a run that is copied as it is: a quote, a backslash or a control character.
    private static func endsRun(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20
    }

    /// The code point of an escape whose backslash has been read. Surrogate pairs are joined.
    private mutating func escape() throws(Failure) -> UInt32 {
        guard let kind = peek() else { throw failure("the string has no end:") }
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(kind)
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"):
            let first = try hexadecimal()
            guard 0xD800..<0xDC00 ~= first else { return first }
            let afterFirst = position
            if take("\\"), take("u") {
                let second = try hexadecimal()
                if 0xDC00..<0xE000 ~= second { return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00) }
            }
            position = afterFirst
            return first
        default:
            position -= 1
            throw failure("unknown escape:")
        }
    }

    private mutating func hexadecimal() throws(Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private static func appendUTF8(_ scalar: UInt32, to result: inout [UInt8]) {
        func continuation(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift & 0x3F)) }
        switch scalar {
        case ..<0x80: result.append(UInt8(scalar))
        case ..<0x800: result += [UInt8(0xC0 | scalar >> 6), continuation(0)]
        case ..<0x10000: result += [UInt8(0xE0 | scalar >> 12), continuation(6), continuation(0)]
        default: result += [UInt8(0xF0 | scalar >> 18), continuation(12), continuation(6), continuation(0)]
        }
    }

    // MARK: Bytes

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard position < bytes.count, UInt32(bytes[position]) == scalar.value else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || 0x09...0x0A ~= byte || byte == 0x0D { position += 1 }
    }

    /// `expectation` followed by what stands here instead.
    private func failure(_ expectation: String) -> Failure {
        guard let byte = peek() else {
            return Failure(reason: "\(expectation) found the end of the line", column: position)
        }
        let found = 0x20..<0x7F ~= byte ? "'\(Unicode.Scalar(byte))'" : "byte 0x\(String(byte, radix: 16))"
        return Failure(reason: "\(expectation) found \(found)", column: position)
    }
}
