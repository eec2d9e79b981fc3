import Numerics

/// Reads JSON (RFC 8259) quickly enough for vocabularies of a hundred thousand entries.
struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let source: String
    private var position = 0
    private var depth = 0

    private static let deepest = 64

    /// - Throws: `ApusError` naming `source`, the line, what was expected and what was found.
    static func parse(_ bytes: [UInt8], source: String) throws -> JSONValue {
        try bytes.withUnsafeBufferPointer { buffer in
            var parser = JSONParser(bytes: buffer, source: source)
            parser.skipWhitespace()
            let value = try parser.value()
            parser.skipWhitespace()
            guard parser.position == buffer.count else { throw parser.failure(expected: "the end of the file") }
            return value
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, source: String) {
        self.bytes = bytes
        self.source = source
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): position += 1
            default: return
            }
        }
    }

    private mutating func take(_ character: Character) -> Bool {
        guard current == character.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func value() throws -> JSONValue {
        switch current ?? 0 {
        case UInt8(ascii: "{"): return try nested { try $0.object() }
        case UInt8(ascii: "["): return try nested { try $0.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw failure(expected: "a JSON value")
        }
    }

    private mutating func nested(_ body: (inout JSONParser) throws -> JSONValue) throws -> JSONValue {
        depth += 1
        guard depth <= Self.deepest else { throw failure(expected: "at most \(Self.deepest) levels of nesting") }
        position += 1
        skipWhitespace()
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws -> JSONValue {
        var members: [JSONValue.Member] = []
        if take("}") { return .object(members) }
        while true {
            guard current == UInt8(ascii: "\"") else { throw failure(expected: "a name in quotes") }
            let name = try string()
            skipWhitespace()
            guard take(":") else { throw failure(expected: "':' after the name '\(name)'") }
            skipWhitespace()
            members.append(.init(name: name, value: try value()))
            skipWhitespace()
            if take("}") { return .object(members) }
            guard take(",") else { throw failure(expected: "',' or '}'") }
            skipWhitespace()
        }
    }

    private mutating func array() throws -> JSONValue {
        var elements: [JSONValue] = []
        if take("]") { return .array(elements) }
        while true {
            elements.append(try value())
            skipWhitespace()
            if take("]") { return .array(elements) }
            guard take(",") else { throw failure(expected: "',' or ']'") }
            skipWhitespace()
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws -> JSONValue {
        guard bytes[position...].starts(with: word.utf8) else { throw failure(expected: "'\(word)'") }
        position += word.utf8.count
        return value
    }

    private mutating func number() throws -> JSONValue {
        let start = position
        while let byte = current {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                position += 1
                continue
            default: break
            }
            break
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if let integer = Int64(text) { return .integer(integer) }
        if let number = Double(text), number.isFinite { return .number(number) }
        position = start
        throw failure(expected: "a number")
    }

    private mutating func string() throws -> String {
        position += 1
        let start = position
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if current == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[start..<position])
        }
        var unescaped = Array(bytes[start..<position])
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try unescaped.withUnsafeBufferPointer { try text($0[...]) }
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &unescaped)
            case 0..<0x20:
                throw failure(expected: "control characters in strings to be escaped")
            default:
                unescaped.append(byte)
                position += 1
            }
        }
        throw failure(expected: "'\"' at the end of a string")
    }

    private func text(_ utf8: Slice<UnsafeBufferPointer<UInt8>>) throws -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else { throw failure(expected: "UTF-8 in a string") }
        return text
    }

    private mutating func escape(into unescaped: inout [UInt8]) throws {
        guard let byte = current else { throw failure(expected: "an escaped character") }
        position += 1
        switch byte {
        case UInt8(ascii: "n"): unescaped.append(UInt8(ascii: "\n"))
        case UInt8(ascii: "t"): unescaped.append(UInt8(ascii: "\t"))
        case UInt8(ascii: "r"): unescaped.append(UInt8(ascii: "\r"))
        case UInt8(ascii: "b"): unescaped.append(0x08)
        case UInt8(ascii: "f"): unescaped.append(0x0C)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(byte)
        case UInt8(ascii: "u"):
            var value = try hexadecimal()
            if 0xD800..<0xDC00 ~= value {
                guard take("\\"), take("u") else { throw failure(expected: "the second half of a surrogate pair") }
                let low = try hexadecimal()
                guard 0xDC00..<0xE000 ~= low else { throw failure(expected: "the second half of a surrogate pair") }
                value = 0x1_0000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw failure(expected: "a Unicode character after '\\u'") }
            unescaped.append(contentsOf: UTF8.encode(scalar)!)
        default:
            position -= 1
            throw failure(expected: "one of the escapes that JSON has")
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard position + 4 <= bytes.count,
            let text = String(validating: bytes[position..<position + 4], as: UTF8.self),
            text.allSatisfy(\.isHexDigit), let value = UInt32(text, radix: 16)
        else { throw failure(expected: "four hexadecimal digits after '\\u'") }
        position += 4
        return value
    }

    private func failure(expected: String) -> ApusError {
        let line = bytes[..<min(position, bytes.count)].count { $0 == UInt8(ascii: "\n") } + 1
        let found = position < bytes.count ? foundHere : "the end of the file"
        return ApusError(
            "reading \(source)", "line \(line): expected \(expected), found \(found)",
            remedy: "the file is not complete JSON; get it again.")
    }

    private var foundHere: String {
        let byte = bytes[position]
        return 0x21...0x7E ~= byte ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x" + String(byte, radix: 16)
    }
}
