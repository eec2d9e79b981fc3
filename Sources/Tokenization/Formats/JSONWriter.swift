/// Writes JSON as Hugging Face's library lays out its files: two spaces a level, one member a line.
struct JSONWriter {
    private var output: [UInt8] = []

    static func write(_ value: JSONValue) -> [UInt8] {
        var writer = JSONWriter()
        writer.append(value, indentation: 0)
        writer.output.append(UInt8(ascii: "\n"))
        return writer.output
    }

    private mutating func append(_ value: JSONValue, indentation: Int) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .integer(let value): append(String(value))
        case .number(let value): append(String(value))
        case .string(let value): appendQuoted(value)
        case .array(let elements):
            appendNested("[", "]", elements, indentation) { $0.append($1, indentation: indentation + 1) }
        case .object(let members):
            appendNested("{", "}", members, indentation) {
                $0.appendQuoted($1.name)
                $0.append(": ")
                $0.append($1.value, indentation: indentation + 1)
            }
        }
    }

    private mutating func appendNested<Element>(
        _ open: String, _ close: String, _ elements: [Element], _ indentation: Int,
        _ body: (inout JSONWriter, Element) -> Void
    ) {
        append(open)
        for (index, element) in elements.enumerated() {
            append(index == 0 ? "\n" : ",\n")
            append(String(repeating: " ", count: 2 * (indentation + 1)))
            body(&self, element)
        }
        if !elements.isEmpty { append("\n" + String(repeating: " ", count: 2 * indentation)) }
        append(close)
    }

    private mutating func append(_ text: String) {
        output.append(contentsOf: text.utf8)
    }

    private mutating func appendQuoted(_ text: String) {
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\t"): append("\\t")
            case UInt8(ascii: "\r"): append("\\r")
            case 0..<0x20:
                append("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
