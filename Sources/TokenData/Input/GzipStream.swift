import CZlib
import Numerics

/// Decompresses gzip (RFC 1952), including files of several members one after the other.
final class GzipStream: ByteStream {
    private let path: String
    private let source: any ByteStream
    private let state: UnsafeMutablePointer<z_stream>
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    private var isBetweenMembers = true
    private var sourceEnded = false

    /// Window size of 2¹⁵ bytes, plus 16 for "a gzip header is required".
    private static let gzipWindowBits: Int32 = 15 + 16

    init(_ source: any ByteStream, path: String) throws {
        self.path = path
        self.source = source
        state = .allocate(capacity: 1)
        state.initialize(to: z_stream())
        guard apus_inflate_init2(state, Self.gzipWindowBits) == Z_OK else {
            throw ApusError("decompressing \(path)", "zlib could not be started")
        }
    }

    deinit {
        inflateEnd(state)
        state.deallocate()
        input.deallocate()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let capacity = min(buffer.count, 1 << 30)
        state.pointee.next_out = buffer.bindMemory(to: UInt8.self).baseAddress
        state.pointee.avail_out = UInt32(capacity)
        while state.pointee.avail_out == UInt32(capacity) {
            if state.pointee.avail_in == 0, !sourceEnded {
                let count = try source.read(into: input)
                sourceEnded = count == 0
                state.pointee.next_in = input.bindMemory(to: UInt8.self).baseAddress
                state.pointee.avail_in = UInt32(count)
            }
            if state.pointee.avail_in == 0, isBetweenMembers { return 0 }
            isBetweenMembers = false
            switch inflate(state, Z_NO_FLUSH) {
            case Z_OK: break
            case Z_STREAM_END:
                isBetweenMembers = true
                inflateReset(state)
            case Z_BUF_ERROR where sourceEnded:
                throw ApusError(
                    "decompressing \(path)", "the file ends in the middle of the compressed data",
                    remedy: "it was cut short: copy or download it again")
            case Z_BUF_ERROR: break
            default:
                let reason = state.pointee.msg.map { String(cString: $0) } ?? "corrupt data"
                throw ApusError(
                    "decompressing \(path)", "expected gzip data, found: \(reason)",
                    remedy: "the file is damaged, or its name ends in .gz though it is something else")
            }
        }
        return capacity - Int(state.pointee.avail_out)
    }
}
