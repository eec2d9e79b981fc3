import Foundation
import Numerics

extension EmulatedCluster {
    /// Takes a cluster down, whole or half made or only partly remembered, and leaves nothing of it behind.
    ///
    /// - Parameter name: The cluster's; nil for the only one there is.
    /// - Returns: The name.
    /// - Throws: `ApusError` where there is nothing of it, and where something cannot be removed.
    public static func down(_ name: String?) async throws -> String {
        try requireRoot(for: "taking down \(name.map { "the cluster '\($0)'" } ?? "a cluster")")
        let store = ClusterStore.ofThisMachine
        let lock = try store.lock()
        defer { withExtendedLifetime(lock) {} }
        let all = downable(store)
        guard let name = name ?? (all.count < 2 ? all.first ?? "" : nil) else {
            throw ApusError(
                "taking down a cluster", "several are up: \(all.joined(separator: ", "))",
                remedy: "name one, or give --all")
        }
        guard !name.isEmpty else {
            throw ApusError("taking down a cluster", "none is up on this machine")
        }
        guard store.names.contains(name) || !remains(of: name, nil).isEmpty else {
            throw ApusError(
                "taking down the cluster '\(name)'", "there is nothing of it here",
                remedy: all.isEmpty
                    ? "no cluster is up on this machine" : "the clusters here are \(all.joined(separator: ", "))")
        }
        try await takeDown(name, store)
        return name
    }

    /// Takes down every cluster of which there is anything, and returns their names.
    public static func downAll() async throws -> [String] {
        try requireRoot(for: "taking down all clusters")
        let store = ClusterStore.ofThisMachine
        let lock = try store.lock()
        defer { withExtendedLifetime(lock) {} }
        let names = downable(store)
        for name in names { try await takeDown(name, store) }
        return names
    }

    private static func downable(_ store: ClusterStore) -> [String] {
        let names =
            store.names + Namespaces.existing.compactMap(ClusterLayout.cluster(of:))
            + groupFolders(ControlGroups.ofThisMachine).compactMap {
                ClusterLayout.cluster(of: ($0 as NSString).lastPathComponent)
            }
        return Set(names).sorted()
    }

    /// What there is of a cluster in the kernel.
    struct Remains {
        var namespaces: [String]
        var controlInterfaces: [String]
        var groupFolders: [String]

        var all: [String] {
            namespaces.map { "the namespace \($0)" } + controlInterfaces.map { "the interface \($0)" }
                + groupFolders.map { "the control group \($0)" }
        }
        var isEmpty: Bool { all.isEmpty }
    }

    static func remains(of name: String, _ state: ClusterState?) -> Remains {
        let prefix = ClusterLayout.prefix(of: name)
        let interfaces = [state?.layout.controlInterface].compactMap { $0 }
        return Remains(
            namespaces: Namespaces.existing.filter { $0.hasPrefix(prefix) }.sorted(),
            controlInterfaces: interfaces.filter { FileManager.default.fileExists(atPath: "/sys/class/net/\($0)") },
            groupFolders: groupFolders(state?.groups ?? ControlGroups.ofThisMachine).filter {
                ($0 as NSString).lastPathComponent.hasPrefix(prefix)
            })
    }

    /// All control groups of all clusters.
    private static func groupFolders(_ groups: ControlGroups) -> [String] {
        let roots = Set([groups.processors, groups.memory].compactMap { $0?.root }).sorted()
        return roots.flatMap { root in
            ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).filter {
                ClusterLayout.cluster(of: $0) != nil
            }.sorted().map { "\(root)/\($0)" }
        }
    }

    /// Removes whatever there is, in an order in which nothing holds on to what goes next.
    static func takeDown(_ name: String, _ store: ClusterStore) async throws {
        // What is remembered may be damaged; everything but the machine's own interface is found by its name.
        let state = try? store.load(name)
        var left = remains(of: name, state)
        try await Namespaces.endProcesses(in: left.namespaces, askingFirst: true)
        for namespace in left.namespaces {
            let result = try await SystemCommands.attempt(["ip", "netns", "delete", namespace])
            // A name from before a restart, with no namespace behind it.
            if !result.isSuccess { unlink("\(Namespaces.folder)/\(namespace)") }
        }
        for interface in remains(of: name, state).controlInterfaces {
            _ = try await SystemCommands.attempt(["ip", "link", "delete", interface])
        }
        // A group goes when its last process has; one that was killed takes a moment.
        for attempt in 0..<40 where attempt == 0 || !left.groupFolders.isEmpty {
            for folder in left.groupFolders { rmdir(folder) }
            left = remains(of: name, state)
            if !left.groupFolders.isEmpty { try? await Task.sleep(for: .milliseconds(50)) }
        }
        left = remains(of: name, state)
        guard left.isEmpty else {
            throw ApusError(
                "taking down the cluster '\(name)'", "this cannot be removed: \(left.all.joined(separator: ", "))",
                remedy: "see what uses it (ip netns pids NAMESPACE), end that, and give the command again",
                kind: .runtime)
        }
        try store.remove(name)
    }
}
