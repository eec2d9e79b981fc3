import ArgumentParser
import TokenData

/// The text that a subcommand reads and how it is cut into documents.
struct DocumentOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Text files, JSON lines files (.jsonl, .ndjson, .json), each also as .gz or .zst, and folders of them.",
            valueName: "file-or-folder"),
        completion: .file())
    var input: [String]

    @Option(help: "The field of a JSON line that holds the text.")
    var field = "text"

    @Option(
        help: ArgumentHelp(
            """
            The line that stands between two documents of a text file, such as '<|endoftext|>', or 'blank-line' for \
            one or more blank lines. Without it each text file is one document.
            """, valueName: "line"))
    var separator: String?

    @Option(
        name: .customLong("invalid-utf8"),
        help: "What to do about text that isn't UTF-8: fail, replace what is invalid by U+FFFD, or skip the document.")
    var invalidUTF8 = DocumentReaderOptions.InvalidUTF8.fail

    func makeReader() throws -> DocumentReader {
        let separator: DocumentReaderOptions.Separator? =
            switch separator {
            case nil: nil
            case "blank-line": .blankLine
            case .some(let line): .line(line)
            }
        return try DocumentReader(
            paths: input, options: .init(separator: separator, textField: field, invalidUTF8: invalidUTF8))
    }
}

extension DocumentReaderOptions.InvalidUTF8: ExpressibleByArgument {}
