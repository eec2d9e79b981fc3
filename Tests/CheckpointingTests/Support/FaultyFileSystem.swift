import Checkpointing
import Foundation

/// The real file system, except that one call fails, and that every call is written down.
final class FaultyFileSystem: FileSystem, @unchecked Sendable {
    enum Fault {
        case none
        /// The call of this number fails, as on a full disk; later ones work.
        case failure(atCall: Int, code: Int32)
        /// The process dies in the call of this number: neither it nor anything after it has an effect.
        case crash(atCall: Int)
        /// Calls of this kind on paths with this ending fail.
        case matching(call: String, pathEnding: String, code: Int32)
    }

    struct Call: Equatable {
        let name: String
        let path: String
    }

    private let host = HostFileSystem()
    private let fault: Fault
    private let lock = NSLock()
    private var recorded: [Call] = []

    private let gate: Gate?

    /// Holds up whoever creates a file, until it is opened.
    final class Gate: @unchecked Sendable {
        private let pathEnding: String
        private let condition = NSCondition()
        private var isOpen = false

        init(pathEnding: String) { self.pathEnding = pathEnding }

        func open() {
            condition.withLock {
                isOpen = true
                condition.broadcast()
            }
        }

        func pass(_ path: String) {
            guard path.hasSuffix(pathEnding) else { return }
            condition.withLock {
                while !isOpen { condition.wait() }
            }
        }
    }

    init(_ fault: Fault = .none, gate: Gate? = nil) {
        self.fault = fault
        self.gate = gate
    }

    var calls: [Call] { lock.withLock { recorded } }

    /// Whether the fault has struck.
    var hasStruck: Bool {
        let calls = calls
        return switch fault {
        case .none: false
        case .failure(let call, _), .crash(let call): calls.count > call
        case .matching(let name, let ending, _): calls.contains { $0.name == name && $0.path.hasSuffix(ending) }
        }
    }

    private func step(_ name: String, _ path: String) throws(SystemCallError) {
        lock.lock()
        defer { lock.unlock() }
        let number = recorded.count
        recorded.append(Call(name: name, path: path))
        switch fault {
        case .none: return
        case .failure(let call, let code) where call == number:
            throw SystemCallError(action: name, path: path, code: code)
        case .crash(let call) where call <= number: throw SystemCallError(action: name, path: path, code: EIO)
        case .matching(name, let ending, let code) where path.hasSuffix(ending):
            throw SystemCallError(action: name, path: path, code: code)
        default: return
        }
    }

    func openForReading(_ path: String) throws(SystemCallError) -> OpenFile {
        try step("open", path)
        return try host.openForReading(path)
    }

    func create(_ path: String) throws(SystemCallError) -> OpenFile {
        gate?.pass(path)
        try step("create", path)
        return try host.create(path)
    }

    func openDirectory(_ path: String) throws(SystemCallError) -> OpenFile {
        try step("openDirectory", path)
        return try host.openDirectory(path)
    }

    func write(_ bytes: UnsafeRawBufferPointer, to file: OpenFile) throws(SystemCallError) -> Int {
        do {
            try step("write", file.path)
        } catch {
            // A write that fails may have put down a part.
            if case .crash(let call) = fault, calls.count - 1 == call {
                _ = try host.write(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]), to: file)
            }
            throw error
        }
        // Short writes happen; whoever writes has to go on.
        return try host.write(UnsafeRawBufferPointer(rebasing: bytes[..<max(1, bytes.count * 2 / 3)]), to: file)
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, from file: OpenFile, at offset: Int
    ) throws(SystemCallError) -> Int {
        try step("read", file.path)
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<max(1, buffer.count * 2 / 3)])
        return try host.read(into: part, from: file, at: offset)
    }

    func status(of file: OpenFile) throws(SystemCallError) -> FileStatus {
        try step("status", file.path)
        return try host.status(of: file)
    }

    func synchronize(_ file: OpenFile) throws(SystemCallError) {
        // Only written down: no test cuts the power, and thousands of real flushes take minutes.
        try step("synchronize", file.path)
    }

    func close(_ file: OpenFile) throws(SystemCallError) {
        do { try step("close", file.path) } catch {
            // A dead process holds no descriptor either.
            try? host.close(file)
            throw error
        }
        try host.close(file)
    }

    func status(_ path: String) throws(SystemCallError) -> FileStatus {
        try step("status", path)
        return try host.status(path)
    }

    func makeDirectory(_ path: String) throws(SystemCallError) {
        try step("makeDirectory", path)
        try host.makeDirectory(path)
    }

    func list(_ path: String) throws(SystemCallError) -> [String] {
        try step("list", path)
        return try host.list(path)
    }

    func rename(_ source: String, to destination: String) throws(SystemCallError) {
        try step("rename", source)
        try host.rename(source, to: destination)
    }

    func removeFile(_ path: String) throws(SystemCallError) {
        try step("removeFile", path)
        try host.removeFile(path)
    }

    func removeDirectory(_ path: String) throws(SystemCallError) {
        try step("removeDirectory", path)
        try host.removeDirectory(path)
    }
}
