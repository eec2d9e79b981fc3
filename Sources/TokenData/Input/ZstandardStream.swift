import CZstd
import Numerics

/// Decompresses Zstandard (RFC 8878), including files of several frames one after the other.
final class ZstandardStream: ByteStream {
    private let path: String
    private let source: any ByteStream
    private let context: OpaquePointer
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: ZSTD_DStreamInSize(), alignment: 16)
    private var input: ZSTD_inBuffer
    private var isInsideFrame = false

    /// Frames made with `zstd --long=31` need 2 GiB of window; zstd's own limit is 128 MiB unless told.
    private static let largestWindowLog: Int32 = 31

    init(_ source: any ByteStream, path: String) throws {
        self.path = path
        self.source = source
        guard let context = ZSTD_createDCtx() else {
            throw ApusError("decompressing \(path)", "zstd could not be started: out of memory")
        }
        self.context = context
        input = ZSTD_inBuffer(src: buffer.baseAddress, size: 0, pos: 0)
        _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.largestWindowLog)
    }

    deinit {
        ZSTD_freeDCtx(context)
        buffer.deallocate()
    }

    func read(into destination: UnsafeMutableRawBufferPointer) throws -> Int {
        var output = ZSTD_outBuffer(dst: destination.baseAddress, size: destination.count, pos: 0)
        while output.pos == 0 {
            if input.pos == input.size {
                input.size = try source.read(into: buffer)
                input.pos = 0
                // Output may still be waiting inside the context, so only a finished frame ends the stream here.
                if input.size == 0, !isInsideFrame { return 0 }
            }
            let hadInput = input.pos < input.size
            let status = ZSTD_decompressStream(context, &output, &input)
            guard ZSTD_isError(status) == 0 else {
                throw ApusError(
                    "decompressing \(path)",
                    "expected Zstandard data, found: \(String(cString: ZSTD_getErrorName(status)))",
                    remedy: "the file is damaged, or its name ends in .zst though it is something else")
            }
            isInsideFrame = status != 0
            if !hadInput, output.pos == 0, isInsideFrame {
                throw ApusError(
                    "decompressing \(path)", "the file ends in the middle of the compressed data",
                    remedy: "it was cut short: copy or download it again")
            }
        }
        return output.pos
    }
}
