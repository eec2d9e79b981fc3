import Numerics

/// A link of a cluster by the name that commands take: `host2.link`, or `rack1.uplink`.
package enum ClusterLink: Hashable, Sendable, CustomStringConvertible {
    case host(ClusterLayout.Host)
    /// From 1.
    case uplink(rack: Int)

    package var description: String {
        switch self {
        case .host(let host): "\(host.name).link"
        case .uplink(let rack): "rack\(rack).uplink"
        }
    }

    /// A device at one end of the link.
    package struct End: Hashable, Sendable {
        package var device: String
        package var namespace: String
    }
}

/// What `fail`, `heal` and `degrade` act on.
package enum ClusterTarget: Hashable, Sendable {
    /// The host itself: what runs on it, and its link.
    case host(ClusterLayout.Host)
    case link(ClusterLink)

    package var link: ClusterLink {
        switch self {
        case .host(let host): .host(host)
        case .link(let link): link
        }
    }
}

extension ClusterLayout {
    package var links: [ClusterLink] {
        hosts.map { .host($0) } + (racks > 1 ? (1...racks).map { .uplink(rack: $0) } : [])
    }

    /// What the document says about a link.
    package func shape(of link: ClusterLink) -> LinkShape {
        switch link {
        case .host(let host): host.link
        case .uplink: uplink
        }
    }

    /// Both ends; the first is the one that is taken down to cut the link.
    package func ends(of link: ClusterLink) -> [ClusterLink.End] {
        switch link {
        case .host(let host):
            [
                .init(device: host.name, namespace: switchNamespace),
                .init(device: "eth0", namespace: namespace(of: host)),
            ]
        case .uplink(let rack):
            [
                .init(device: "up\(rack)", namespace: switchNamespace),
                .init(device: "down\(rack)", namespace: switchNamespace),
            ]
        }
    }

    /// - Throws: `ApusError` that lists what there is.
    package func target(_ name: String) throws -> ClusterTarget {
        if let host = hosts.first(where: { $0.name == name }) { return .host(host) }
        if let link = links.first(where: { $0.description == name }) { return .link(link) }
        let uplinks = racks > 1 ? ", and between racks rack1.uplink to rack\(racks).uplink" : ""
        throw ApusError(
            "looking for '\(name)' in the cluster '\(self.name)'", "there is no such host or link",
            remedy: "the hosts are host1 to host\(hosts.count), their links host1.link to host\(hosts.count).link"
                + uplinks)
    }
}
