import Glibc
import Numerics

/// The bytes of one input, read once from front to back, decompressed if need be.
protocol ByteStream: AnyObject {
    /// Writes the next bytes to the front of `buffer` and returns how many; 0 only at the end.
    ///
    /// `buffer` must not be empty.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// An open file, pipe or terminal.
final class FileStream: ByteStream {
    let path: String
    private let descriptor: Int32

    init(path: String) throws {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ApusError.system("reading \(path)", "could not open the file") }
    }

    deinit { close(descriptor) }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw ApusError.system("reading \(path)", "could not read the file") }
        }
    }
}
