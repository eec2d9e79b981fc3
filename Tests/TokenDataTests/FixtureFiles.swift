import Foundation
import Numerics
import Testing
import TokenData

/// Bytes written as a test would like to read them: base 64, broken into lines.
func bytes(base64: String) throws -> [UInt8] {
    [UInt8](try #require(Data(base64Encoded: base64, options: .ignoreUnknownCharacters)))
}

extension URL {
    /// Writes a file in this folder, making folders on the way, and returns its path.
    @discardableResult
    func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        let file = appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
        return file.path
    }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }
}

/// The documents' texts and the summary.
func read(
    _ paths: [String], _ options: DocumentReaderOptions = .init()
) throws -> (documents: [Document], summary: DocumentReadingSummary) {
    var documents: [Document] = []
    let summary = try DocumentReader(paths: paths, options: options).forEachDocument { documents.append($0) }
    return (documents, summary)
}

/// The message of the `ApusError` that `body` must throw.
func message(of body: () throws -> Void) -> String {
    do {
        try body()
        Issue.record("expected an error")
        return ""
    } catch let error as ApusError {
        return error.description
    } catch {
        Issue.record("expected an ApusError, got \(error)")
        return ""
    }
}
