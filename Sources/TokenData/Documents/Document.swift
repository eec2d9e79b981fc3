/// A piece of text that belongs together: what follows it in a corpus has nothing to do with it.
public struct Document: Sendable {
    /// Where in its file a document stands.
    public enum Place: Hashable, Sendable {
        case wholeFile
        /// Of a JSON lines file; the first is 1.
        case line(Int)
        /// Between separators; the first document of a file is 1.
        case index(Int)
        /// Made by cutting a document in two: the first byte of this part.
        case byte(Int)
    }

    /// Valid UTF-8, not empty.
    public var bytes: [UInt8]
    /// Path of the file.
    public let source: String
    public let place: Place

    public init(bytes: [UInt8], source: String, place: Place) {
        self.bytes = bytes
        self.source = source
        self.place = place
    }

    /// Names the document to a reader: `folder/essay.txt`, `corpus.jsonl:17`, `stories.txt#3`.
    public var identifier: String {
        switch place {
        case .wholeFile: source
        case .line(let number): "\(source):\(number)"
        case .index(let number): "\(source)#\(number)"
        case .byte(let offset): "\(source)@\(offset)"
        }
    }

    public var text: String { String(decoding: bytes, as: UTF8.self) }
}
