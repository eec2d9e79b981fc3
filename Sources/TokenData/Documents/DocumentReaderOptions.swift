/// How files are cut into documents, and what happens to text that isn't UTF-8.
public struct DocumentReaderOptions: Hashable, Sendable {
    /// What stands between two documents of a text file.
    public enum Separator: Hashable, Sendable {
        /// A line that holds exactly this (blanks around it don't matter), such as `<|endoftext|>`.
        case line(String)
        /// One or more lines of nothing but blanks.
        case blankLine
    }

    public enum InvalidUTF8: String, CaseIterable, Hashable, Sendable {
        /// Stop and name the file and the byte.
        case fail
        /// Put U+FFFD in place of what is invalid.
        case replace
        /// Leave the document out.
        case skip
    }

    /// Nil makes every text file one document. JSON lines are not affected.
    public var separator: Separator?
    /// The field of a JSON line that holds the text.
    public var textField = "text"
    public var invalidUTF8 = InvalidUTF8.fail
    /// Bytes of the largest document, before its text is turned into tokens. Bounds the memory that reading takes.
    public var largestDocument = 1 << 30

    public init(separator: Separator? = nil, textField: String = "text", invalidUTF8: InvalidUTF8 = .fail) {
        self.separator = separator
        self.textField = textField
        self.invalidUTF8 = invalidUTF8
    }
}
