import Foundation
import Numerics

/// An IPv4 address and port on which a coordinator listens for its workers.
public struct ControlAddress: Hashable, Sendable, CustomStringConvertible {
    /// The variable in which workers find it.
    public static let variable = "APUS_COORDINATOR"
    public static let loopback = "127.0.0.1"

    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Nil where the text is not `address:port`.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]), port > 0, Self.bytes(of: String(parts[0])) != nil else {
            return nil
        }
        self.init(host: String(parts[0]), port: port)
    }

    public var description: String { "\(host):\(port)" }

    /// The address of this host's interface that packets to `host` leave by: that of the job, and of no other network.
    public static func facing(_ host: String) -> String? {
        var hints = addrinfo()
        hints.ai_family = AF_INET
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var results: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "9", &hints, &results) == 0, let result = results else { return nil }
        defer { freeaddrinfo(results) }
        // Connecting a datagram socket sends nothing; it only chooses the route.
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard connect(descriptor, result.pointee.ai_addr, result.pointee.ai_addrlen) == 0 else { return nil }
        return localAddress(of: descriptor)?.host
    }

    /// Calls `body` with the address in the system's form.
    package func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result? {
        guard let bytes = Self.bytes(of: host) else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = bytes
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    package static func localAddress(of descriptor: Int32) -> ControlAddress? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { return nil }
        var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
        guard inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(INET_ADDRSTRLEN)) != nil else { return nil }
        let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return ControlAddress(host: host, port: UInt16(bigEndian: address.sin_port))
    }

    private static func bytes(of host: String) -> in_addr? {
        var address = in_addr()
        return inet_pton(AF_INET, host, &address) == 1 ? address : nil
    }
}
