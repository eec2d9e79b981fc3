import Foundation
import Numerics

/// A TCP connection that carries lines and never blocks its thread.
///
/// What cannot be written at once is dropped: a heartbeat that comes late is worth nothing.
final class LineSocket {
    private(set) var descriptor: Int32
    private var received: [UInt8] = []

    /// A line of this many bytes is no message of ours.
    private static let longestLine = 1 << 16

    enum Received {
        case lines([ArraySlice<UInt8>])
        case closed
    }

    init(descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close() }

    func close() {
        guard descriptor >= 0 else { return }
        Foundation.close(descriptor)
        descriptor = -1
    }

    /// False when the other end is gone.
    @discardableResult
    func send(_ message: ControlMessage) -> Bool {
        guard descriptor >= 0, let line = try? message.line else { return false }
        let written = line.withUnsafeBytes {
            Foundation.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
        }
        if written == line.count { return true }
        // A part of a line would make nonsense of the next: such a connection is given up.
        return written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
    }

    /// The whole lines that have come.
    func receive() -> Received {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count > 0 {
                received.append(contentsOf: chunk[..<count])
                if received.count > Self.longestLine { return .closed }
                continue
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { break }
            return received.contains(UInt8(ascii: "\n")) ? .lines(takeLines()) : .closed
        }
        return .lines(takeLines())
    }

    private func takeLines() -> [ArraySlice<UInt8>] {
        guard let end = received.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        defer { received.removeFirst(end + 1) }
        return received[..<end].split(separator: UInt8(ascii: "\n"))
    }

    /// Waits until one of the descriptors has something to read, or the time is over.
    static func wait(for descriptors: [Int32], milliseconds: Int32) {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        poll(&entries, nfds_t(entries.count), milliseconds)
    }
}
