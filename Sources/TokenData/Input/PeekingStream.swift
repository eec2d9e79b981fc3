/// A stream whose first bytes can be looked at before they are read.
final class PeekingStream: ByteStream {
    /// Up to the first 8 KiB; empty only if the stream is.
    let beginning: [UInt8]
    private let source: any ByteStream
    private var handedOut = 0

    init(_ source: any ByteStream) throws {
        self.source = source
        var bytes = [UInt8](repeating: 0, count: 8 << 10)
        let count = try bytes.withUnsafeMutableBytes { buffer in
            var count = 0
            while count < buffer.count {
                let more = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                if more == 0 { break }
                count += more
            }
            return count
        }
        beginning = Array(bytes[..<count])
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard handedOut < beginning.count else { return try source.read(into: buffer) }
        let count = min(buffer.count, beginning.count - handedOut)
        buffer.copyBytes(from: beginning[handedOut..<handedOut + count])
        handedOut += count
        return count
    }
}
