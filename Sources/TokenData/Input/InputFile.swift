/// A file that holds documents, and how it is to be read.
public struct InputFile: Hashable, Sendable {
    public enum Format: Hashable, Sendable {
        /// UTF-8 text: the file is one document, or several with a separator between them.
        case text
        /// One JSON object a line, a document in one of its fields.
        case jsonLines
    }

    public enum Compression: Hashable, Sendable { case none, gzip, zstandard }

    public let path: String
    /// Bytes on disk, compressed if the file is; 0 for a pipe.
    public let size: Int
    public let format: Format
    public let compression: Compression
    /// Whether the user named this very file. One that was only found in a folder is passed over when it is binary.
    public let isNamedByUser: Bool

    /// Takes format and compression from the name: `.jsonl`, `.ndjson` and `.json` hold JSON lines (data sets such as
    /// C4 call them `.json.gz`), everything else is text; `.gz` and `.zst` at the end say how it is compressed.
    init(path: String, size: Int, isNamedByUser: Bool) {
        self.path = path
        self.size = size
        self.isNamedByUser = isNamedByUser
        var name = path.lowercased()[...]
        if name.hasSuffix(".gz") {
            compression = .gzip
            name = name.dropLast(3)
        } else if name.hasSuffix(".zst") {
            compression = .zstandard
            name = name.dropLast(4)
        } else {
            compression = .none
        }
        format = [".jsonl", ".ndjson", ".json"].contains(where: name.hasSuffix) ? .jsonLines : .text
    }

    /// The file's bytes, decompressed.
    func open() throws -> any ByteStream {
        let file = try FileStream(path: path)
        return switch compression {
        case .none: file
        case .gzip: try GzipStream(file, path: path)
        case .zstandard: try ZstandardStream(file, path: path)
        }
    }
}
