import Glibc
import Numerics

/// Cuts a stream into lines, holding one line and one read's worth of bytes at a time.
struct LineReader {
    /// A line without its line feed; valid only while the closure that receives it runs.
    struct Line {
        let bytes: UnsafeBufferPointer<UInt8>
        /// 1 for the first.
        let number: Int
        /// Of the line's first byte in the (decompressed) file.
        let offset: Int
        /// Whether a line feed follows.
        let isTerminated: Bool
    }

    private let stream: any ByteStream
    private let path: String
    private let longestLine: Int

    private static let readSize = 1 << 20

    init(_ stream: any ByteStream, path: String, longestLine: Int) {
        self.stream = stream
        self.path = path
        self.longestLine = longestLine
    }

    func forEachLine(_ body: (Line) throws -> Void) throws {
        var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Self.readSize, alignment: 16)
        defer { buffer.deallocate() }
        // buffer[start..<end] is read but not handed out; buffer[start..<searched] holds no line feed.
        var start = 0
        var searched = 0
        var end = 0
        var number = 0
        var offset = 0

        func emit(_ count: Int, isTerminated: Bool) throws {
            number += 1
            let bytes = UnsafeBufferPointer(
                rebasing: UnsafeRawBufferPointer(buffer).bindMemory(to: UInt8.self)[start..<start + count])
            try body(Line(bytes: bytes, number: number, offset: offset, isTerminated: isTerminated))
        }

        while true {
            while let found = memchr(buffer.baseAddress! + searched, 0x0A, end - searched) {
                let position = found - UnsafeMutableRawPointer(buffer.baseAddress!)
                try emit(position - start, isTerminated: true)
                offset += position + 1 - start
                start = position + 1
                searched = start
            }
            searched = end
            guard end - start <= longestLine else {
                throw ApusError(
                    "reading \(path)", "line \(number + 1) is longer than \(longestLine) bytes",
                    remedy: "cut it into several documents")
            }
            if start > 0 {
                memmove(buffer.baseAddress!, buffer.baseAddress! + start, end - start)
                end -= start
                searched -= start
                start = 0
            }
            if buffer.count - end < Self.readSize {
                let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * buffer.count, alignment: 16)
                larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<end]))
                buffer.deallocate()
                buffer = larger
            }
            let count = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
            if count == 0 { break }
            end += count
        }
        if end > start { try emit(end - start, isTerminated: false) }
    }
}
