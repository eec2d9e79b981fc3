import Glibc
import Numerics

/// A file that is written under a temporary name, and takes its own only when it is complete and on the disk.
final class PartialFile {
    let path: String
    var partialPath: String { path + ".partial" }
    private(set) var byteCount = 0

    private var descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    private var buffered = 0
    private var isTemporary = false

    /// Creates `<path>.partial`. What an interrupted run left there is overwritten.
    init(path: String) throws {
        self.path = path
        descriptor = open(path + ".partial", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw ApusError.system("writing \(path)", "could not create \(path).partial")
        }
        isTemporary = true
    }

    deinit {
        abandon()
        buffer.deallocate()
    }

    /// Removes what was written, unless it was published. Nothing can be written afterwards.
    func abandon() {
        closeDescriptor()
        if isTemporary { unlink(partialPath) }
        isTemporary = false
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        byteCount += bytes.count
        if buffered + bytes.count > buffer.count { try flush() }
        if bytes.count > buffer.count { return try writeThrough(bytes) }
        UnsafeMutableRawBufferPointer(rebasing: buffer[buffered...]).copyMemory(from: bytes)
        buffered += bytes.count
    }

    /// Writes the integer's bytes, the least significant first.
    func write(_ integer: some FixedWidthInteger) throws {
        try withUnsafeBytes(of: integer.littleEndian) { try write($0) }
    }

    /// Makes sure that everything is on the disk. Nothing can be written afterwards.
    func finish() throws {
        try flush()
        guard fsync(descriptor) == 0 else { throw failure() }
        closeDescriptor()
    }

    /// Gives the finished file its name, in place of a file that has it already.
    func publish() throws {
        guard rename(partialPath, path) == 0 else {
            throw ApusError.system("writing \(path)", "could not rename \(partialPath)")
        }
        isTemporary = false
    }

    private func flush() throws {
        try writeThrough(UnsafeRawBufferPointer(rebasing: buffer[..<buffered]))
        buffered = 0
    }

    private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = Glibc.write(descriptor, part.baseAddress, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure() }
            rest = rest.dropFirst(count)
        }
    }

    private func failure() -> ApusError {
        .system("writing \(path)", "failed after \(byteCount - buffered) bytes, and what was written is removed")
    }

    private func closeDescriptor() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
