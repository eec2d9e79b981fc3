import JobConfiguration
import Numerics

extension EmulatedCluster {
    /// Cuts a link, or lets a host go down: its link is cut, its processes are killed, and nobody gets into it.
    public static func fail(_ target: String, of cluster: String?) async throws {
        try await change(cluster, for: "failing \(target)") { cluster in
            let target = try cluster.layout.target(target)
            try await cluster.perform(ClusterPlan.connecting(target.link, false, in: cluster.layout))
            cluster.state.cutLinks.insert(target.link.description)
            guard case .host(let host) = target else { return }
            cluster.state.failedHosts.insert(host.name)
            // Before the processes end: none is started again meanwhile.
            try cluster.store.save(cluster.state)
            try await Namespaces.endProcesses(in: [cluster.layout.namespace(of: host)], askingFirst: false)
        }
    }

    /// Makes a host and its link, or a link, as the document says again; everything where nothing is named.
    public static func heal(_ target: String?, of cluster: String?) async throws {
        try await change(cluster, for: "healing \(target ?? "the cluster")") { cluster in
            let targets =
                try target.map { [try cluster.layout.target($0)] }
                ?? cluster.layout.hosts.map { .host($0) } + cluster.layout.links.map { .link($0) }
            for target in targets {
                if case .host(let host) = target { cluster.state.failedHosts.remove(host.name) }
                try await cluster.shape(target.link, as: cluster.layout.shape(of: target.link))
                if cluster.state.cutLinks.contains(target.link.description) {
                    try await cluster.perform(ClusterPlan.connecting(target.link, true, in: cluster.layout))
                    cluster.state.cutLinks.remove(target.link.description)
                }
            }
        }
    }

    /// Gives a link, or the link of a host, other properties; what is not named stays as it is now.
    public static func degrade(_ target: String, of cluster: String?, to settings: LinkSettings) async throws {
        try await change(cluster, for: "degrading \(target)") { cluster in
            let link = try cluster.layout.target(target).link
            let shape = cluster.state.shape(of: link).changed(by: settings)
            let asked = LinkShape().changed(by: settings)
            var features: Set<ClusterFeature> = []
            if asked.bitsPerSecond != nil { features.insert(.bandwidth) }
            if asked.latencyMicroseconds > 0 { features.insert(.latency) }
            if asked.lossPercent > 0 { features.insert(.loss) }
            let missing = try await KernelFeatures.missing(of: features, groups: cluster.state.groups)
            guard missing.isEmpty else {
                throw ApusError(
                    "degrading \(target)",
                    Set(missing.map(KernelFeatures.reason)).sorted().joined(separator: ", and "),
                    remedy: "degrade what this machine can, or use a kernel that has it")
            }
            try await cluster.shape(link, as: shape)
        }
    }

    /// Loads a cluster, changes it while no other command does, and remembers what has become of it.
    private static func change(
        _ name: String?, for operation: String, _ body: (inout EmulatedCluster) async throws -> Void
    ) async throws {
        try requireRoot(for: operation)
        let store = ClusterStore.ofThisMachine
        let lock = try store.lock()
        defer { withExtendedLifetime(lock) {} }
        var cluster = try named(name, in: store)
        try await body(&cluster)
        try store.save(cluster.state)
    }

    private func perform(_ actions: [SystemAction]) async throws {
        for action in actions { try await SystemCommands.perform(action) }
    }

    private mutating func shape(_ link: ClusterLink, as shape: LinkShape) async throws {
        let current = state.shape(of: link)
        guard shape != current else { return }
        if !current.isPlain { try await perform(ClusterPlan.unshaping(link, in: layout)) }
        // Remembered step by step, so that what is remembered is true also where the next step fails.
        state.degradedLinks[link.description] = LinkShape()
        try store.save(state)
        try await perform(ClusterPlan.shaping(link, as: shape, in: layout))
        state.degradedLinks[link.description] = shape == layout.shape(of: link) ? nil : shape
    }
}
