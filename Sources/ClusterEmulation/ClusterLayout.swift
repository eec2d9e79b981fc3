import JobConfiguration

/// A cluster with all names and addresses decided: what is made, and what is taken down again.
package struct ClusterLayout: Codable, Hashable, Sendable {
    package struct Host: Codable, Hashable, Sendable {
        package var name: String
        package var address: String
        /// From 1, as in the rack's name.
        package var rack: Int
        /// Ranks that it takes.
        package var slots: Int
        /// Processors' worth of time; nil for no limit.
        package var processors: Double?
        /// Bytes; nil for no limit.
        package var memory: Int?
        package var link: LinkShape
    }

    package var name: String
    package var network: ClusterNetwork
    package var hosts: [Host]
    package var racks: Int
    /// Between each rack and the switch between them; of no effect with one rack.
    package var uplink: LinkShape

    package init(_ configuration: ClusterConfiguration, network: ClusterNetwork) {
        name = configuration.name
        self.network = network
        racks = configuration.racks
        uplink = LinkShape(configuration.uplink)
        hosts = configuration.hostNames.enumerated().map { index, name in
            let settings = configuration.settings(of: name)
            return Host(
                name: name, address: network.address(index + 1),
                rack: index * configuration.racks / configuration.hosts + 1, slots: settings.slots ?? 1,
                processors: settings.processors.map { Double($0) }, memory: settings.memory?.bytes,
                link: LinkShape(settings.link))
        }
    }

    /// The machine's own address in the cluster's network, where the coordinator listens.
    package var coordinatorAddress: String { network.address(254) }

    package var slots: Int { hosts.reduce(0) { $0 + $1.slots } }

    /// What the kernel must be able to do for this cluster.
    package var features: Set<ClusterFeature> {
        let shapes = hosts.map(\.link) + (racks > 1 ? [uplink] : [])
        var features: Set<ClusterFeature> = []
        if shapes.contains(where: { $0.bitsPerSecond != nil }) { features.insert(.bandwidth) }
        if shapes.contains(where: { $0.latencyMicroseconds > 0 }) { features.insert(.latency) }
        if shapes.contains(where: { $0.lossPercent > 0 }) { features.insert(.loss) }
        if hosts.contains(where: { $0.processors != nil }) { features.insert(.processors) }
        if hosts.contains(where: { $0.memory != nil }) { features.insert(.memory) }
        return features
    }

    /// The same cluster without what the machine has no means for.
    package func without(_ features: Set<ClusterFeature>) -> ClusterLayout {
        var layout = self
        layout.uplink = uplink.without(features)
        for index in hosts.indices {
            layout.hosts[index].link = hosts[index].link.without(features)
            if features.contains(.processors) { layout.hosts[index].processors = nil }
            if features.contains(.memory) { layout.hosts[index].memory = nil }
        }
        return layout
    }
}

// The names of what is made in the kernel. A dot is in no name of a cluster or a host, so that none is part of another.
extension ClusterLayout {
    /// The namespace that holds the switches, out of reach of the machine's own firewall.
    package var switchNamespace: String { Self.namespace("switch", of: name) }

    package func namespace(of host: Host) -> String { Self.namespace(host.name, of: name) }

    package var namespaces: [String] { [switchNamespace] + hosts.map(namespace(of:)) }

    /// The machine's own end of its link to the switch.
    package var controlInterface: String { "apus-\(network.second)-\(network.third)" }

    package func controlGroup(of host: Host) -> String { namespace(of: host) }

    /// With this begin the names of all namespaces and control groups of a cluster.
    package static func prefix(of cluster: String) -> String { "apus.\(cluster)." }

    /// The cluster that a namespace or control group of this name belongs to; nil for those of others.
    package static func cluster(of name: String) -> String? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "apus" ? String(parts[1]) : nil
    }

    private static func namespace(_ part: String, of cluster: String) -> String { prefix(of: cluster) + part }
}
