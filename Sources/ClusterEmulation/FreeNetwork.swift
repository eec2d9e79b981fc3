import JobConfiguration
import Numerics

/// Finds addresses that nothing else on this machine uses.
package enum FreeNetwork {
    /// - Parameters:
    ///   - wanted: The document's network, if it names one.
    ///   - taken: Those of other clusters.
    static func choose(
        _ wanted: ClusterNetwork?, cluster: String, taken: Set<ClusterNetwork>
    ) async throws -> ClusterNetwork {
        let routes = try await SystemCommands.run(["ip", "-4", "route", "show", "table", "all"])
        return try choose(wanted, cluster: cluster, taken: taken, routes: self.routes(in: routes))
    }

    package static func choose(
        _ wanted: ClusterNetwork?, cluster: String, taken: Set<ClusterNetwork>, routes: [Route]
    ) throws -> ClusterNetwork {
        // A wider route, such as an office's 10.0.0.0/8, loses against the cluster's own; it is avoided where possible.
        func isTaken(_ network: ClusterNetwork, byRoutes width: ClosedRange<Int>) -> Bool {
            let route = Route(network)
            return taken.contains(network) || routes.contains { width ~= $0.length && $0.overlaps(route) }
        }
        if let wanted {
            guard !isTaken(wanted, byRoutes: 24...32) else {
                throw ApusError(
                    "bringing up the cluster '\(cluster)'", "its network \(wanted) is in use on this machine",
                    remedy: "name another, or leave 'network' out so that a free one is chosen")
            }
            return wanted
        }
        let candidates = (77...99).lazy.flatMap { second in
            (1...254).lazy.map { ClusterNetwork(second: second, third: $0) }
        }
        if let network = candidates.first(where: { !isTaken($0, byRoutes: 1...32) }) { return network }
        if let network = candidates.first(where: { !isTaken($0, byRoutes: 24...32) }) { return network }
        throw ApusError(
            "bringing up the cluster '\(cluster)'", "every network from 10.77.1.0/24 to 10.99.254.0/24 is in use",
            remedy: "name a free one in the document: network: 10.A.B.0/24")
    }

    /// Where packets to some addresses go.
    package struct Route: Hashable, Sendable {
        package var address: UInt32
        /// Leading bits that count.
        package var length: Int

        package init(address: UInt32, length: Int) {
            self.address = address
            self.length = length
        }

        init(_ network: ClusterNetwork) {
            self.init(address: 10 << 24 | UInt32(network.second) << 16 | UInt32(network.third) << 8, length: 24)
        }

        func overlaps(_ other: Route) -> Bool {
            let bits = min(length, other.length)
            return bits == 0 || (address ^ other.address) >> UInt32(32 - bits) == 0
        }
    }

    /// The destinations in what `ip -4 route show table all` prints; an address alone has all of its bits.
    package static func routes(in text: String) -> [Route] {
        text.split(separator: "\n").compactMap { line in
            // The first word that is an address; a type such as "local" may come before it.
            for word in line.split(separator: " ").prefix(2) {
                let parts = word.split(separator: "/")
                let bytes = parts[0].split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt8($0) }
                guard bytes.count == 4 else { continue }
                let length = parts.count == 2 ? Int(parts[1]) ?? 32 : 32
                return Route(address: bytes.reduce(0) { $0 << 8 | UInt32($1) }, length: min(max(length, 0), 32))
            }
            return nil
        }
    }
}
