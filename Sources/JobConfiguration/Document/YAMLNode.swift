import Yams

/// Parses one YAML document; nil when there is nothing but blanks and comments in it.
///
/// - Throws: `JobError` with the place of a syntax error or of a key that occurs twice, and for documents that are larger
///   than any job or would become so.
func composeYAML(_ text: String, name: String) throws(JobError) -> Node? {
    if let problem = sizeProblem(text, name: name) { throw JobError(problems: [problem]) }
    do {
        return try Yams.compose(yaml: text)
    } catch {
        throw JobError(problems: [problem(error, name: name)])
    }
}

/// In bytes.
private let largestDocument = 1 << 20
private let mostAliases = 16

/// A document is composed with what its aliases stand for in their places, so that a few lines of aliases of aliases can
/// stand for more than any memory holds; sixteen can make it a few hundred times as large.
private func sizeProblem(_ text: String, name: String) -> JobProblem? {
    guard text.utf8.count <= largestDocument else {
        return JobProblem(
            location: name, message: "the document has \(text.utf8.count) bytes; expected at most \(largestDocument)",
            remedy: "name a job, not its data")
    }
    guard aliasLikeWords(in: text) > mostAliases else { return nil }
    return JobProblem(
        location: name, message: "the document has more than \(mostAliases) aliases (*name)",
        remedy: "write what they stand for in their places")
}

/// Counts what may be an alias: `*` where a value can begin and a name after it. Some may be parts of texts.
private func aliasLikeWords(in text: String) -> Int {
    var count = 0
    var (beforePrevious, previous) = (UInt8(ascii: " "), UInt8(ascii: " "))
    for byte in text.utf8 {
        let mayName = byte > 0x7F || !" \t\r\n*,]}[{".utf8.contains(byte)
        let mayBegin = " \t\r\n[{,:?-".utf8.contains(beforePrevious) || beforePrevious > 0x7F
        if previous == UInt8(ascii: "*"), mayName, mayBegin { count += 1 }
        (beforePrevious, previous) = (previous, byte)
    }
    return count
}

private func problem(_ error: any Error, name: String) -> JobProblem {
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
        .composer(let context, let problem, let mark, _):
        let words = [problem] + (context.map { [$0.text.trimmed] } ?? [])
        return JobProblem(
            location: "\(name):\(mark)", message: "this is not valid YAML: \(words.joined(separator: " "))",
            remedy: "check the indentation, the colons and the quotes on this line and the one before it")
    case .duplicatedKeysInMapping(let keys, let context):
        return JobProblem(
            location: "\(name):\(context.mark)",
            message: "these keys occur more than once in one section: \(keys.joined(separator: ", "))",
            remedy: "keep one of each")
    case .reader(let problem, _, _, _):
        return JobProblem(
            location: name, message: "this is not valid YAML: \(problem)", remedy: "save the file as plain UTF-8 text")
    default:
        return JobProblem(location: name, message: "this is not valid YAML: \(error)", remedy: nil)
    }
}

/// What stands at a place of the document, for messages.
func foundText(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar) where scalar.isNull: "nothing"
    case .scalar(let scalar) where scalar.isPlain: "'\(scalar.string)'"
    case .scalar(let scalar): "the text \(quoted(scalar.string))"
    case .sequence: "a list"
    case .mapping: "a section with keys of its own"
    case .alias: "an alias"
    }
}

/// A string in YAML's (and JSON's) double quotes.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        case "\r": result += "\\r"
        case _ where invisible.contains(scalar.properties.generalCategory):
            let digits = String(scalar.value, radix: 16)
            result += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}

/// Characters that YAML forbids, or that a reader would not see.
private let invisible: Set<Unicode.GeneralCategory> = [
    .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned,
]

extension Node.Scalar {
    /// Written without quotes, so that it may be a number or a word with a meaning.
    var isPlain: Bool { style == .plain || style == .any }

    var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(string) }
}

extension String {
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
