import Foundation
import Numerics

/// The whole content of a file.
///
/// - Throws: `ApusError` naming the file if it is missing, unreadable or empty.
func readFile(_ path: String) throws -> [UInt8] {
    let data: Data
    do {
        data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
        let exists = FileManager.default.fileExists(atPath: path)
        throw ApusError(
            "reading \(path)", exists ? "the file can't be read" : "there is no such file",
            remedy: exists ? "check its permissions, and that it is a file." : "check the path.")
    }
    guard !data.isEmpty else {
        throw ApusError("reading \(path)", "the file is empty", remedy: "get it again.")
    }
    return [UInt8](data)
}

/// Writes a file in one step (under another name first, then renamed), making the folders on its way.
///
/// - Throws: `ApusError` naming the file.
func writeFile(_ bytes: [UInt8], _ path: String) throws {
    let url = URL(fileURLWithPath: path)
    do {
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url, options: .atomic)
    } catch {
        throw ApusError(
            "writing \(path)", error.localizedDescription,
            remedy: "check that the folder can be written and the disk has room.")
    }
}
