import Foundation
import Numerics

/// A regular file that is read at given offsets and closed when released.
package final class InputFile {
    package let path: String
    /// Bytes in the file when it was opened.
    package let size: Int
    private let fileSystem: any FileSystem
    private let file: OpenFile

    package init(_ path: String, fileSystem: any FileSystem, operation: String) throws {
        self.path = path
        self.fileSystem = fileSystem
        do {
            file = try fileSystem.openForReading(path)
        } catch { throw error.asApusError(operation) }
        do {
            let status = try fileSystem.status(of: file)
            guard status.isRegularFile else {
                throw ApusError(operation, "\(path) is \(status.isDirectory ? "a folder" : "no regular file")")
            }
            size = status.size
        } catch {
            try? fileSystem.close(file)
            throw (error as? SystemCallError)?.asApusError(operation) ?? error
        }
    }

    deinit { try? fileSystem.close(file) }

    /// Fills `buffer` with the bytes that start at `offset`.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, operation: String) throws {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count: Int
            do {
                count = try fileSystem.read(into: rest, from: file, at: offset + done)
            } catch { throw error.asApusError(operation) }
            guard count > 0 else {
                throw ApusError(
                    operation,
                    "\(path) ends at byte \(offset + done); expected bytes \(offset)..<\(offset + buffer.count)",
                    remedy: "the file was truncated: copy it again, or use an older checkpoint")
            }
            done += count
        }
    }

    package func readBytes(_ range: Range<Int>, operation: String) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: range.lowerBound, operation: operation) }
        return bytes
    }
}

/// A new file that is written from start to end.
package final class OutputFile {
    private let fileSystem: any FileSystem
    private let file: OpenFile
    private var isOpen = true
    /// Bytes written so far.
    package private(set) var size = 0
    /// Those that the device was told to begin with.
    private var startedSize = 0

    /// The device works on so many bytes while the next ones are prepared.
    private static let startBytes = 16 << 20

    package init(_ path: String, fileSystem: any FileSystem) throws(SystemCallError) {
        self.fileSystem = fileSystem
        file = try fileSystem.create(path)
    }

    deinit {
        if isOpen { try? fileSystem.close(file) }
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws(SystemCallError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = try fileSystem.write(rest, to: file)
            guard count > 0 else { throw SystemCallError(action: "write", path: file.path, code: EIO) }
            size += count
            if size - startedSize >= Self.startBytes {
                fileSystem.startWriting(startedSize..<size, of: file)
                startedSize = size
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    package func write(_ bytes: [UInt8]) throws(SystemCallError) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(SystemCallError) in try write(buffer) }
        }
        try result.get()
    }

    /// Puts everything on the device and closes the file; only then is it safely there.
    package func finish() throws(SystemCallError) {
        try fileSystem.synchronize(file)
        isOpen = false
        try fileSystem.close(file)
    }
}

extension FileSystem {
    /// Puts a folder's entries on the device: without it a crash may forget a new or renamed file.
    package func synchronizeDirectory(_ path: String) throws(SystemCallError) {
        let directory = try openDirectory(path)
        do {
            try synchronize(directory)
        } catch {
            try? close(directory)
            throw error
        }
        try close(directory)
    }

    package func writeFile(_ path: String, _ bytes: [UInt8]) throws(SystemCallError) {
        let file = try OutputFile(path, fileSystem: self)
        try file.write(bytes)
        try file.finish()
    }
}
