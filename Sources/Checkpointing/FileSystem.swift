/// The system calls that checkpoints are made with, one function each, so that tests can make any of them fail.
package protocol FileSystem: Sendable {
    /// A file open for reading; never follows a symbolic link and never waits for a pipe's other end.
    func openForReading(_ path: String) throws(SystemCallError) -> OpenFile
    /// A new, empty file open for writing; one that exists is an error.
    func create(_ path: String) throws(SystemCallError) -> OpenFile
    func openDirectory(_ path: String) throws(SystemCallError) -> OpenFile
    /// The number of bytes written, which may be fewer than given.
    func write(_ bytes: UnsafeRawBufferPointer, to file: OpenFile) throws(SystemCallError) -> Int
    /// The number of bytes read from `offset`; 0 at the end of the file.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, from file: OpenFile, at offset: Int
    ) throws(SystemCallError) -> Int
    func status(of file: OpenFile) throws(SystemCallError) -> FileStatus
    /// Lets the device begin with these bytes of the file, without waiting for it; a hint that cannot fail.
    func startWriting(_ range: Range<Int>, of file: OpenFile)
    /// Returns when the file's (or directory's) contents are on the device.
    func synchronize(_ file: OpenFile) throws(SystemCallError)
    func close(_ file: OpenFile) throws(SystemCallError)

    func status(_ path: String) throws(SystemCallError) -> FileStatus
    func makeDirectory(_ path: String) throws(SystemCallError)
    /// The names in a folder, without `.` and `..`, in no particular order.
    func list(_ path: String) throws(SystemCallError) -> [String]
    func rename(_ source: String, to destination: String) throws(SystemCallError)
    func removeFile(_ path: String) throws(SystemCallError)
    func removeDirectory(_ path: String) throws(SystemCallError)
}

extension FileSystem {
    package func startWriting(_ range: Range<Int>, of file: OpenFile) {}
}

package struct OpenFile: Sendable {
    package let descriptor: Int32
    package let path: String

    package init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }
}

package struct FileStatus: Sendable {
    /// Bytes.
    package let size: Int
    package let isRegularFile: Bool
    package let isDirectory: Bool
    /// Seconds since 1970.
    package let modificationTime: Int
}
