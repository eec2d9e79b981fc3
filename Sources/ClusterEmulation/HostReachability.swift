import CPlatform
import Foundation
import Numerics
import Supervision

/// Whether hosts can reach the machine's own address in the cluster's network: connections are made from their namespaces.
enum HostReachability {
    private static let patience = Duration.seconds(3)

    /// The namespaces out of `namespaces` from which nothing reaches `address`, in their order.
    ///
    /// - Throws: `ApusError` where the machine itself does not have the address.
    static func unreachable(_ namespaces: [String], from address: String) async throws -> [String] {
        let listener = try Listener(address)
        let reached = await withTaskGroup(of: String?.self) { group in
            for namespace in namespaces {
                group.addTask { await canConnect(from: namespace, to: listener.address) ? namespace : nil }
            }
            return await group.reduce(into: Set<String>()) { if let namespace = $1 { $0.insert(namespace) } }
        }
        withExtendedLifetime(listener) {}
        return namespaces.filter { !reached.contains($0) }
    }

    /// A socket that connections are made to; nobody needs to accept them.
    private final class Listener: Sendable {
        let address: ControlAddress
        private let descriptor: Int32

        init(_ host: String) throws {
            let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            let socket = Foundation.socket(AF_INET, kind, 0)
            let status = ControlAddress(host: host, port: 0).withSocketAddress { bind(socket, $0, $1) }
            guard status == 0, listen(socket, 1024) == 0, let address = ControlAddress.localAddress(of: socket)
            else {
                let problem = String(cString: strerror(errno))
                close(socket)
                throw ApusError(
                    "listening at \(host) for the hosts of a cluster", problem,
                    remedy: "take the cluster down and bring it up again", kind: .runtime)
            }
            descriptor = socket
            self.address = address
        }

        deinit { close(descriptor) }
    }

    /// Done by a thread of its own, which ends with it: a thread cannot be lent to others from another namespace.
    private static func canConnect(from namespace: String, to address: ControlAddress) async -> Bool {
        await withCheckedContinuation { continuation in
            let thread = Thread { continuation.resume(returning: connectHere(namespace, address)) }
            thread.name = "reachability"
            thread.start()
        }
    }

    private static func connectHere(_ namespace: String, _ address: ControlAddress) -> Bool {
        let place = open("/run/netns/" + namespace, O_RDONLY | O_CLOEXEC)
        guard place >= 0 else { return false }
        defer { close(place) }
        guard apus_enter_network_namespace(place) == 0 else { return false }
        let deadline = ContinuousClock.now + patience
        repeat {
            let left = Int32(max((deadline - .now) / .milliseconds(1), 1))
            if tryToConnect(to: address, milliseconds: left) { return true }
            // A link that has just come up refuses at first.
            usleep(50_000)
        } while ContinuousClock.now < deadline
        return false
    }

    private static func tryToConnect(to address: ControlAddress, milliseconds: Int32) -> Bool {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_INET, kind, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        guard let status = address.withSocketAddress({ connect(descriptor, $0, $1) }) else { return false }
        if status == 0 { return true }
        guard errno == EINPROGRESS else { return false }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&waiting, 1, milliseconds) == 1 else { return false }
        var problem: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem == 0
    }
}
