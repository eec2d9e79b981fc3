/// A cluster that one machine emulates: what its hosts and links are like.
///
/// Decoded from YAML by `ClusterConfiguration.load`; the field names are the document's keys.
public struct ClusterConfiguration: Hashable, Sendable {
    /// Names the cluster; what is made for it in the kernel bears this name.
    public var name: String
    /// How many hosts there are; they are called `host1`, `host2` and so on.
    public var hosts: Int
    /// Switches, each with as many of the hosts as the others, in their order; with more than one, each has an uplink to
    /// a switch between them.
    public var racks = 1
    /// Where the hosts' addresses are taken from; nil chooses a network that is free.
    public var network: ClusterNetwork?
    /// What every host is.
    public var host = HostSettings()
    /// The link between each rack's switch and the switch between the racks.
    public var uplink = LinkSettings()
    /// What some hosts are instead, by their names.
    public var overrides: [String: HostSettings] = [:]
    /// What may be left out where the machine has no means for it.
    public var optional: [ClusterFeature] = []

    public init(name: String, hosts: Int) {
        self.name = name
        self.hosts = hosts
    }

    /// `host1`, `host2`, …
    public var hostNames: [String] { (1...max(hosts, 1)).map { "host\($0)" } }

    /// What a host is: its own settings before those of all, and those before the defaults.
    public func settings(of host: String) -> HostSettings { (overrides[host] ?? HostSettings()).or(self.host) }
}

/// What a host is like; nil leaves it as it is for all hosts or, there, to the machine.
public struct HostSettings: Hashable, Sendable {
    /// Ranks that the host takes.
    public var slots: Int?
    /// Processors' worth of time that all processes of the host share; nil for what the machine gives.
    public var processors: Float?
    /// Memory of all its processes together.
    public var memory: MemoryLimit?
    /// The link to its switch.
    public var link = LinkSettings()

    public init() {}

    /// These settings, and `others` where these say nothing.
    public func or(_ others: HostSettings) -> HostSettings {
        var settings = self
        settings.slots = slots ?? others.slots
        settings.processors = processors ?? others.processors
        settings.memory = memory ?? others.memory
        settings.link = link.or(others.link)
        return settings
    }
}

/// What a link is like in each of its directions; nil for a link that delays, loses and limits nothing.
public struct LinkSettings: Hashable, Sendable {
    public var bandwidth: Bandwidth?
    /// Time on the link. Between two hosts of one switch a packet takes two links.
    public var latency: Latency?
    /// The share of packets that never arrive.
    public var loss: Loss?

    public init(bandwidth: Bandwidth? = nil, latency: Latency? = nil, loss: Loss? = nil) {
        self.bandwidth = bandwidth
        self.latency = latency
        self.loss = loss
    }

    public func or(_ others: LinkSettings) -> LinkSettings {
        LinkSettings(
            bandwidth: bandwidth ?? others.bandwidth, latency: latency ?? others.latency, loss: loss ?? others.loss)
    }

    public var isEmpty: Bool { bandwidth == nil && latency == nil && loss == nil }
}

/// Something that the kernel of the machine must be able to do.
public enum ClusterFeature: String, CaseIterable, Codable, Hashable, Sendable {
    case bandwidth, latency, loss, processors, memory
}

/// The 254 addresses `10.second.third.1` to `.254`.
public struct ClusterNetwork: Hashable, Codable, Sendable, CustomStringConvertible {
    public var second: Int
    public var third: Int

    public init(second: Int, third: Int) {
        self.second = second
        self.third = third
    }

    /// Nil where the text is not `10.A.B.0/24`.
    public init?(_ text: String) {
        guard let match = text.wholeMatch(of: /10\.(\d{1,3})\.(\d{1,3})\.0\/24/), let second = Int(match.1),
            let third = Int(match.2), second <= 255, third <= 255
        else { return nil }
        self.init(second: second, third: third)
    }

    public func address(_ number: Int) -> String { "10.\(second).\(third).\(number)" }

    public var description: String { address(0) + "/24" }
}
