import Numerics

/// Cuts one file into documents, checks each and hands it on.
struct DocumentAdmission {
    let file: InputFile
    let options: DocumentReaderOptions
    let body: (Document) throws -> Void
    private(set) var summary = DocumentReadingSummary()

    init(file: InputFile, options: DocumentReaderOptions, body: @escaping (Document) throws -> Void) {
        self.file = file
        self.options = options
        self.body = body
    }

    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    // MARK: Cutting

    /// The whole file is one document.
    mutating func readWhole(_ stream: any ByteStream) throws {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(file.size + 1, options.largestDocument))
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { chunk.deallocate() }
        while true {
            let count = try stream.read(into: chunk)
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
            try checkSize(bytes.count)
        }
        let mark = bytes.starts(with: Self.byteOrderMark) ? Self.byteOrderMark.count : 0
        bytes.removeFirst(mark)
        try admit(bytes, place: .wholeFile, offset: mark)
    }

    /// Documents are what stands between separators, without the line breaks next to these.
    mutating func readSeparated(_ stream: any ByteStream, by separator: DocumentReaderOptions.Separator) throws {
        let separatorBytes: [UInt8] =
            switch separator {
            case .line(let text): Array(text.utf8)
            case .blankLine: []
            }
        var bytes: [UInt8] = []
        var offset = 0
        var index = 0
        var endsWithLineBreak = false

        func finish(_ admission: inout Self) throws {
            if endsWithLineBreak { bytes.removeLast(bytes.suffix(2).elementsEqual([0x0D, 0x0A]) ? 2 : 1) }
            // Blank lines may stand in a row, and at either end of a file: nothing is missing between them.
            if bytes.isEmpty, separator == .blankLine { return }
            index += 1
            try admission.admit(bytes, place: .index(index), offset: offset)
        }

        try lines(of: stream).forEachLine { line in
            let isFirst = line.offset == 0 && line.bytes.starts(with: Self.byteOrderMark)
            let content = line.bytes[(isFirst ? Self.byteOrderMark.count : 0)...]
            if Self.trimmingBlanks(content).elementsEqual(separatorBytes) {
                try finish(&self)
                bytes.removeAll(keepingCapacity: true)
                endsWithLineBreak = false
                offset = line.offset + line.bytes.count + 1
            } else {
                if bytes.isEmpty { offset = line.offset + content.startIndex }
                bytes.append(contentsOf: content)
                if line.isTerminated { bytes.append(0x0A) }
                endsWithLineBreak = line.isTerminated
                try checkSize(bytes.count)
            }
        }
        if !bytes.isEmpty { try finish(&self) }
    }

    /// Every line holds an object with the text in one of its fields; blank lines are passed over.
    mutating func readJSONLines(_ stream: any ByteStream) throws {
        try lines(of: stream).forEachLine { line in
            let isMarked = line.offset == 0 && line.bytes.starts(with: Self.byteOrderMark)
            let object = UnsafeBufferPointer(rebasing: line.bytes[(isMarked ? Self.byteOrderMark.count : 0)...])
            if Self.trimmingBlanks(object[...]).isEmpty { return }
            let text: [UInt8]
            do throws(JSONLine.Failure) {
                text = try JSONLine.text(of: options.textField, in: object)
            } catch {
                throw ApusError(
                    "reading \(file.path)", "line \(line.number), column \(error.column + 1): \(error.reason)",
                    remedy: "each line must be a JSON object with the document's text in one field (--field)")
            }
            try admit(text, place: .line(line.number), offset: line.offset, line: line)
        }
    }

    private func lines(of stream: any ByteStream) -> LineReader {
        LineReader(stream, path: file.path, longestLine: options.largestDocument)
    }

    private static func trimmingBlanks(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Slice<UnsafeBufferPointer<UInt8>>
    {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
        let front = bytes.drop(while: isBlank)
        guard let last = front.lastIndex(where: { !isBlank($0) }) else { return front[front.endIndex...] }
        return front[...last]
    }

    // MARK: Checking

    private func checkSize(_ count: Int) throws {
        guard count <= options.largestDocument else {
            throw ApusError(
                "reading \(file.path)", "one document is larger than \(options.largestDocument >> 20) MiB",
                remedy: "name what separates the documents of this file (--separator), or cut it into several files")
        }
    }

    /// Hands the document on if it is not empty and its bytes are, or can be made, UTF-8.
    ///
    /// `offset` is where the document begins in the file, for messages. The text of a JSON line has no offsets of its
    /// own any more; `line` is where it came from.
    private mutating func admit(
        _ bytes: [UInt8], place: Document.Place, offset: Int, line: LineReader.Line? = nil
    ) throws {
        if bytes.isEmpty {
            summary.emptyDocuments += 1
            return
        }
        var document = Document(bytes: bytes, source: file.path, place: place)
        if let invalid = Self.firstInvalidUTF8(bytes) {
            switch options.invalidUTF8 {
            case .fail: throw invalidUTF8(bytes, at: invalid, offset: offset, line: line)
            case .replace:
                document.bytes = Array(String(decoding: bytes, as: UTF8.self).utf8)
                summary.repairedDocuments += 1
            case .skip:
                summary.skippedInvalidDocuments += 1
                return
            }
        }
        summary.documents += 1
        summary.bytes += document.bytes.count
        try body(document)
    }

    /// Where `bytes` stop being UTF-8, if they do.
    private static func firstInvalidUTF8(_ bytes: [UInt8]) -> Int? {
        do throws(UTF8.ValidationError) {
            _ = try UTF8Span(validating: bytes.span)
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }

    private func invalidUTF8(_ bytes: [UInt8], at index: Int, offset: Int, line: LineReader.Line?) -> ApusError {
        var whereabouts = "byte \(offset + index)"
        var found = "0x\(String(bytes[index], radix: 16))"
        if let line {
            // Invalid bytes stand in the line itself, or else an escape such as \ud800 lacks its second half.
            if let raw = Self.firstInvalidUTF8(Array(line.bytes)) {
                whereabouts = "line \(line.number), byte \(line.offset + raw)"
            } else {
                whereabouts = "line \(line.number), which begins at byte \(line.offset)"
                found = "an escaped surrogate without its partner"
            }
        }
        let isUTF16 = offset == 0 && (bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]))
        return ApusError(
            "reading \(file.path)", "expected UTF-8, found \(isUTF16 ? "UTF-16" : found) at \(whereabouts)",
            remedy: "convert the file (iconv -f \(isUTF16 ? "UTF-16" : "ISO-8859-1") -t UTF-8), or choose "
                + "--invalid-utf8 replace or skip")
    }
}
