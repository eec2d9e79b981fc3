import Foundation
import JobConfiguration
import Numerics

extension EmulatedCluster {
    /// Makes a cluster. What is made is taken back where not all can be, and where `isInterrupted` becomes true.
    ///
    /// - Parameter tell: Called with what is worth knowing on the way.
    /// - Throws: `ApusError` that says what is in the way or missing.
    @discardableResult
    public static func up(
        _ configuration: ClusterConfiguration, isInterrupted: () -> Bool = { false }, tell: (String) -> Void = { _ in }
    ) async throws -> EmulatedCluster {
        let name = configuration.name
        try requireRoot(for: "bringing up the cluster '\(name)'")
        let store = ClusterStore.ofThisMachine
        let lock = try store.lock()
        defer { withExtendedLifetime(lock) {} }
        try checkNothingIsThere(name, store)

        let network = try await FreeNetwork.choose(configuration.network, cluster: name, taken: takenNetworks(store))
        let wanted = ClusterLayout(configuration, network: network)
        let groups = ControlGroups.ofThisMachine
        let missing = try await KernelFeatures.missing(of: wanted.features, groups: groups)
        try checkMayBeMissing(missing, configuration)
        let layout = wanted.without(missing)
        let state = ClusterState(
            layout: layout, groups: groups, missing: ClusterFeature.allCases.filter(missing.contains))
        var cluster = EmulatedCluster(state: state, store: store)
        do {
            try store.save(cluster.state)
            for action in ClusterPlan.creation(of: layout, groups: groups) {
                guard !isInterrupted() else { throw Interruption() }
                try await SystemCommands.perform(action)
            }
            try await cluster.checkHostsAreUp()
            cluster.state.isComplete = true
            try store.save(cluster.state)
        } catch {
            try await takeDown(name, store)
            // The signal of a terminal reaches the programs that were at work, too: they fail because of it.
            guard !isInterrupted(), let error = error as? ApusError else {
                throw ApusError(
                    "bringing up the cluster '\(name)'", "interrupted; what was made has been taken back",
                    kind: .runtime)
            }
            throw ApusError(
                "bringing up the cluster '\(name)'",
                "\(error.operation): \(error.problem); what was made has been taken back", remedy: error.remedy,
                kind: error.kind)
        }
        for feature in state.missing { tell("this machine has no means for \(feature.rawValue), which is left out") }
        return cluster
    }

    private struct Interruption: Error {}

    private static func takenNetworks(_ store: ClusterStore) throws -> Set<ClusterNetwork> {
        Set(try all(in: store).map(\.layout.network))
    }

    private static func checkNothingIsThere(_ name: String, _ store: ClusterStore) throws {
        let operation = "bringing up the cluster '\(name)'"
        if FileManager.default.fileExists(atPath: store.folder(name)) {
            let isWhole = try store.load(name)?.isComplete == true
            throw ApusError(
                operation,
                isWhole ? "it is up already" : "it is half made: an earlier `apus cluster up` was interrupted",
                remedy: "take it down first: apus cluster down \(name)")
        }
        let left = remains(of: name, nil)
        guard left.isEmpty else {
            throw ApusError(
                operation, "this is left from before: \(left.all.joined(separator: ", "))",
                remedy: "take it away first: apus cluster down \(name)")
        }
    }

    private static func checkMayBeMissing(
        _ missing: Set<ClusterFeature>, _ configuration: ClusterConfiguration
    ) throws {
        let refused = ClusterFeature.allCases.filter { missing.contains($0) && !configuration.optional.contains($0) }
        guard !refused.isEmpty else { return }
        let words = refused.map(\.rawValue).joined(separator: ", ")
        let reasons = Set(refused.map(KernelFeatures.reason)).sorted().joined(separator: ", and ")
        throw ApusError(
            "bringing up the cluster '\(configuration.name)'", "its document asks for \(words), but \(reasons)",
            remedy: "use a kernel that has it, or write 'optional: [\(words)]' into the document to go without")
    }

    /// - Throws: `ApusError` naming a host from which the coordinator cannot be reached.
    private func checkHostsAreUp() async throws {
        let namespaces = layout.hosts.map(layout.namespace(of:))
        let unreachable = try await HostReachability.unreachable(namespaces, from: layout.coordinatorAddress)
        guard let first = unreachable.first, let host = layout.hosts.first(where: { layout.namespace(of: $0) == first })
        else { return }
        let others = unreachable.count > 1 ? " and \(unreachable.count - 1) more" : ""
        throw ApusError(
            "reaching \(layout.coordinatorAddress) from \(host.name)\(others)", "no connection comes about",
            remedy: "see whether a firewall of this machine drops what comes from \(layout.network) or the interface "
                + "\(layout.controlInterface)",
            kind: .runtime)
    }
}
