import Numerics

/// Streams the documents of text files, JSON lines files and folders of them, compressed or not.
///
/// Files are taken in the order of the paths given, those of a folder sorted by name, so the order of documents is
/// always the same. No more than one document (of a text file without separators: one file) is held at a time.
///
///     let reader = try DocumentReader(paths: ["corpus/", "more.jsonl.zst"])
///     let summary = try reader.forEachDocument { document in print(document.identifier, document.bytes.count) }
///
/// A reader keeps no state between calls, so several threads may each read some of its `files`.
public struct DocumentReader: Sendable {
    public let options: DocumentReaderOptions
    /// All files found, sorted as they will be read. One found in a folder may turn out to be binary when it is read.
    public let files: [InputFile]
    /// Files and folders inside the given folders whose names begin with a dot.
    public let skippedHiddenFiles: Int
    /// Sockets, pipes, devices and links to nothing inside the given folders.
    public let skippedSpecialFiles: Int

    /// Looks for the files; reads none yet.
    ///
    /// - Throws: `ApusError` if a path is missing, or if all of them together hold no file.
    public init(paths: [String], options: DocumentReaderOptions = .init()) throws {
        let discovery = try InputFile.discover(paths)
        guard !discovery.files.isEmpty else {
            throw ApusError(
                "looking for input", "no file in \(paths.isEmpty ? "an empty list" : paths.joined(separator: ", "))",
                remedy: "name a text or JSON lines file, or a folder that holds some; hidden files are passed over")
        }
        self.options = options
        files = discovery.files
        skippedHiddenFiles = discovery.skippedHiddenFiles
        skippedSpecialFiles = discovery.skippedSpecialFiles
    }

    /// Hands every document to `body`, in order, and says what was read and what was passed over.
    @discardableResult
    public func forEachDocument(_ body: (Document) throws -> Void) throws -> DocumentReadingSummary {
        var summary = DocumentReadingSummary()
        summary.skippedHiddenFiles = skippedHiddenFiles
        summary.skippedSpecialFiles = skippedSpecialFiles
        for file in files { summary += try forEachDocument(in: file, body) }
        return summary
    }

    /// Hands the documents of one file to `body`, in order.
    @discardableResult
    public func forEachDocument(in file: InputFile, _ body: (Document) throws -> Void) throws -> DocumentReadingSummary
    {
        let stream = try PeekingStream(file.open())
        var summary = DocumentReadingSummary()
        if stream.beginning.isEmpty {
            summary.emptyFiles = 1
            return summary
        }
        // A NUL byte near the beginning is how git tells binary files from text, too.
        if !file.isNamedByUser, stream.beginning.contains(0) {
            summary.skippedBinaryFiles = 1
            return summary
        }
        summary.files = 1
        try withoutActuallyEscaping(body) { body in
            var admission = DocumentAdmission(file: file, options: options, body: body)
            defer { summary += admission.summary }
            switch (file.format, options.separator) {
            case (.jsonLines, _): try admission.readJSONLines(stream)
            case (.text, .none): try admission.readWhole(stream)
            case (.text, .some(let separator)): try admission.readSeparated(stream, by: separator)
            }
        }
        return summary
    }
}
