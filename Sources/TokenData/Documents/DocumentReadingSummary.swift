/// What was read and what was passed over.
public struct DocumentReadingSummary: Hashable, Sendable {
    /// Files that were read; empty and binary ones don't count.
    public var files = 0
    /// Documents handed out.
    public var documents = 0
    /// UTF-8 bytes of those documents.
    public var bytes = 0
    public var emptyFiles = 0
    /// Documents without a byte: empty JSON fields, and separators with nothing between them.
    public var emptyDocuments = 0
    /// Files found in folders that hold a NUL byte near their beginning.
    public var skippedBinaryFiles = 0
    /// Files and folders found in folders whose names begin with a dot.
    public var skippedHiddenFiles = 0
    /// Sockets, pipes, devices and links to nothing found in folders.
    public var skippedSpecialFiles = 0
    /// Documents left out because they are not UTF-8.
    public var skippedInvalidDocuments = 0
    /// Documents in which invalid UTF-8 was replaced by U+FFFD.
    public var repairedDocuments = 0

    public init() {}

    /// What was passed over or changed, in words such as "2 empty files"; empty if nothing was.
    public var exclusions: [String] {
        let counts = [
            (emptyFiles, "empty file", "empty files"),
            (emptyDocuments, "empty document", "empty documents"),
            (skippedBinaryFiles, "binary file", "binary files"),
            (skippedHiddenFiles, "hidden file", "hidden files"),
            (skippedSpecialFiles, "special file", "special files"),
            (skippedInvalidDocuments, "document that isn't UTF-8", "documents that aren't UTF-8"),
            (repairedDocuments, "document with invalid UTF-8 replaced", "documents with invalid UTF-8 replaced"),
        ]
        return counts.filter { $0.0 > 0 }.map { count, one, several in "\(count) \(count == 1 ? one : several)" }
    }

    public static func += (sum: inout Self, other: Self) {
        sum.files += other.files
        sum.documents += other.documents
        sum.bytes += other.bytes
        sum.emptyFiles += other.emptyFiles
        sum.emptyDocuments += other.emptyDocuments
        sum.skippedBinaryFiles += other.skippedBinaryFiles
        sum.skippedHiddenFiles += other.skippedHiddenFiles
        sum.skippedSpecialFiles += other.skippedSpecialFiles
        sum.skippedInvalidDocuments += other.skippedInvalidDocuments
        sum.repairedDocuments += other.repairedDocuments
    }
}
