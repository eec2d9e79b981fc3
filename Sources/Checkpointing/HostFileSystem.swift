import Foundation
import Numerics

/// The real system calls; an interrupted one is repeated.
package struct HostFileSystem: FileSystem {
    package init() {}

    package func openForReading(_ path: String) throws(SystemCallError) -> OpenFile {
        let flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        return OpenFile(descriptor: try check("open", path) { open(path, flags) }, path: path)
    }

    package func create(_ path: String) throws(SystemCallError) -> OpenFile {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        return OpenFile(descriptor: try check("create", path) { open(path, flags, 0o666) }, path: path)
    }

    package func openDirectory(_ path: String) throws(SystemCallError) -> OpenFile {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        return OpenFile(descriptor: try check("open folder", path) { open(path, flags) }, path: path)
    }

    package func write(_ bytes: UnsafeRawBufferPointer, to file: OpenFile) throws(SystemCallError) -> Int {
        FaultPoint.reach(.write)
        return try check("write", file.path) { Foundation.write(file.descriptor, bytes.baseAddress, bytes.count) }
    }

    package func read(
        into buffer: UnsafeMutableRawBufferPointer, from file: OpenFile, at offset: Int
    ) throws(SystemCallError) -> Int {
        try check("read", file.path) { pread(file.descriptor, buffer.baseAddress, buffer.count, offset) }
    }

    package func status(of file: OpenFile) throws(SystemCallError) -> FileStatus {
        var status = stat()
        _ = try check("inspect", file.path) { fstat(file.descriptor, &status) }
        return FileStatus(status)
    }

    package func startWriting(_ range: Range<Int>, of file: OpenFile) {
        // Pages that are not wanted any more, Linux begins to write at once, and keeps them until they are written.
        _ = posix_fadvise(file.descriptor, range.lowerBound, range.count, POSIX_FADV_DONTNEED)
    }

    package func synchronize(_ file: OpenFile) throws(SystemCallError) {
        FaultPoint.reach(.synchronize)
        _ = try check("flush to disk", file.path) { fsync(file.descriptor) }
    }

    package func close(_ file: OpenFile) throws(SystemCallError) {
        // Linux has released the descriptor even when close reports an interruption, so it is never repeated.
        guard Foundation.close(file.descriptor) == 0 || errno == EINTR else {
            throw SystemCallError(action: "close", path: file.path, code: errno)
        }
    }

    package func status(_ path: String) throws(SystemCallError) -> FileStatus {
        var status = stat()
        _ = try check("find", path) { stat(path, &status) }
        return FileStatus(status)
    }

    package func makeDirectory(_ path: String) throws(SystemCallError) {
        _ = try check("create folder", path) { mkdir(path, 0o777) }
    }

    package func list(_ path: String) throws(SystemCallError) -> [String] {
        guard let directory = opendir(path) else {
            throw SystemCallError(action: "list folder", path: path, code: errno)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw SystemCallError(action: "list folder", path: path, code: errno) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    package func rename(_ source: String, to destination: String) throws(SystemCallError) {
        FaultPoint.reach(.rename)
        _ = try check("give the name \(destination) to", source) { Foundation.rename(source, destination) }
    }

    package func removeFile(_ path: String) throws(SystemCallError) {
        _ = try check("remove", path) { unlink(path) }
    }

    package func removeDirectory(_ path: String) throws(SystemCallError) {
        _ = try check("remove folder", path) { rmdir(path) }
    }

    private func check<Result: SignedInteger>(
        _ action: String, _ path: String, _ call: () -> Result
    ) throws(SystemCallError) -> Result {
        while true {
            let result = call()
            if result >= 0 { return result }
            let code = errno
            if code != EINTR { throw SystemCallError(action: action, path: path, code: code) }
        }
    }
}

extension FileStatus {
    fileprivate init(_ status: stat) {
        let kind = status.st_mode & S_IFMT
        self.init(
            size: Int(status.st_size), isRegularFile: kind == S_IFREG, isDirectory: kind == S_IFDIR,
            modificationTime: status.st_mtim.tv_sec)
    }
}
