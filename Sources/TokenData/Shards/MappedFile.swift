import Glibc
import Numerics

/// A file's bytes, read by the system as they are touched and shared by all processes of a host.
///
/// The file must not shrink while it is mapped: the system would end the process.
final class MappedFile: @unchecked Sendable {  // The bytes are never written.
    let path: String
    let bytes: UnsafeRawBufferPointer

    init(path: String) throws {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ApusError.system("opening \(path)", "could not open the file") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw ApusError.system("opening \(path)", "could not look at the file")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ApusError(
                "opening \(path)", "expected a file of tokens, found a folder or a device",
                remedy: "name a shard: the path of a .bin file, or what a .bin and an .idx have in common")
        }
        let size = Int(status.st_size)
        // Nothing can be mapped of an empty file.
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), address != MAP_FAILED else {
            throw ApusError.system("opening \(path)", "could not map the file into memory")
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit {
        if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
    }

    /// A little-endian integer at any offset, aligned or not. The caller has checked the file's size.
    func integer<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type = Value.self) -> Value {
        Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }

    func refusal(_ problem: String, remedy: String?) -> ApusError {
        ApusError("opening \(path)", problem, remedy: remedy)
    }

    func truncated(_ expected: String) -> ApusError {
        refusal(
            "expected \(expected), found a file of \(bytes.count) bytes",
            remedy: "the file was cut short: copy it again, or prepare the data again")
    }
}
