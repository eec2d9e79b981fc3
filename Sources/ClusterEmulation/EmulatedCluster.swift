import Coordination
import Foundation
import JobConfiguration
import Numerics

/// A cluster that this machine emulates: hosts are network namespaces, joined by switches through links that are as fast,
/// as slow and as lossy as its document says. Processors, memory and files are those of the machine.
public struct EmulatedCluster: Sendable {
    package internal(set) var state: ClusterState
    let store: ClusterStore

    package init(state: ClusterState, store: ClusterStore) {
        self.state = state
        self.store = store
    }

    package var layout: ClusterLayout { state.layout }
    public var name: String { layout.name }
    public var hostNames: [String] { layout.hosts.map(\.name) }
    /// Ranks that all hosts together take.
    public var slotCount: Int { layout.slots }

    /// Whether every host has processor time of its own, which the others cannot take from it.
    public var limitsProcessors: Bool { layout.hosts.allSatisfy { $0.processors != nil } }

    /// The processors' worth of time that so many ranks of so many threads may take together, on the first hosts.
    public func processors(ranks: Int, threads: Int, of machine: ProcessorCount = .current) -> Double {
        var left = ranks
        var sum = 0.0
        for host in layout.hosts {
            let here = min(left, host.slots)
            left -= here
            sum += min(Double(here * threads), host.processors ?? .infinity)
        }
        return min(sum, Double(machine.cores))
    }

    /// The cluster of this name or, without one, the only one there is.
    ///
    /// - Throws: `ApusError` where there is none, where there are several to choose from, and where it is damaged.
    public static func named(_ name: String?) throws -> EmulatedCluster { try named(name, in: .ofThisMachine) }

    package static func named(_ name: String?, in store: ClusterStore) throws -> EmulatedCluster {
        let names = store.names
        let operation = "looking for \(name.map { "the cluster '\($0)'" } ?? "a cluster")"
        guard let name = name ?? (names.count == 1 ? names[0] : nil) else {
            throw ApusError(
                operation, names.isEmpty ? "none is up" : "\(names.count) are up: \(names.joined(separator: ", "))",
                remedy: names.isEmpty
                    ? "bring one up: apus cluster up configs/clusters/2x1gbit.yaml" : "choose one with --cluster NAME")
        }
        guard let state = try store.load(name) else {
            throw ApusError(
                operation, names.isEmpty ? "none is up" : "the clusters here are \(names.joined(separator: ", "))",
                remedy: "bring one up with apus cluster up FILE")
        }
        let cluster = EmulatedCluster(state: state, store: store)
        try cluster.checkIsWhole()
        return cluster
    }

    /// All clusters of this machine, also those that are half made.
    public static func all() throws -> [EmulatedCluster] { try all(in: .ofThisMachine) }

    package static func all(in store: ClusterStore) throws -> [EmulatedCluster] {
        try store.names.compactMap { try store.load($0) }.map { EmulatedCluster(state: $0, store: store) }
    }

    /// Making and changing clusters is root's alone.
    ///
    /// - Throws: `ApusError` that says how to get the right.
    public static func requireRoot(for operation: String) throws {
        guard geteuid() != 0 else { return }
        throw ApusError(
            operation, "hosts are network namespaces of the kernel, and only root may make or enter them",
            remedy: "give the command with sudo before it; in a container, be root with the capabilities NET_ADMIN and "
                + "SYS_ADMIN")
    }

    /// - Throws: `ApusError` where `up` did not end, or where something has been removed since.
    private func checkIsWhole() throws {
        guard state.isComplete else {
            throw ApusError(
                "using the cluster '\(name)'", "it is half made: `apus cluster up` was interrupted",
                remedy: "take it down and bring it up again: apus cluster down \(name)", kind: .runtime)
        }
        let gone = layout.namespaces.filter { !Namespaces.existing.contains($0) }
        guard gone.isEmpty else {
            throw ApusError(
                "using the cluster '\(name)'", "its namespace \(gone[0]) is gone",
                remedy: "take it down and bring it up again: apus cluster down \(name)", kind: .runtime)
        }
    }
}
