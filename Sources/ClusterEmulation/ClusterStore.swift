import Foundation
import Numerics
import Supervision

/// Where clusters are remembered: a folder a cluster. It lies where it is gone after a restart of the machine, as what it
/// tells of is.
package struct ClusterStore: Sendable {
    package var root: String

    package static let ofThisMachine = ClusterStore(root: "/run/apus/clusters")

    package init(root: String) { self.root = root }

    package func folder(_ cluster: String) -> String { "\(root)/\(cluster)" }

    /// The names of all clusters, sorted.
    package var names: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted()
    }

    /// Nil where nothing is remembered of the cluster.
    ///
    /// - Throws: `ApusError` where what is remembered cannot be read.
    package func load(_ cluster: String) throws -> ClusterState? {
        let folder = folder(cluster)
        guard !cluster.isEmpty, !cluster.contains("/"), !cluster.hasPrefix("."),
            FileManager.default.fileExists(atPath: folder)
        else { return nil }
        do {
            return try JSONDecoder().decode(
                ClusterState.self, from: Data(contentsOf: URL(filePath: folder + "/cluster.json")))
        } catch {
            throw ApusError(
                "reading \(folder)/cluster.json", "it is damaged or cannot be read",
                remedy: "take the cluster down: apus cluster down \(cluster)", kind: .runtime)
        }
    }

    /// Remembers a cluster, and writes what its other commands need.
    package func save(_ state: ClusterState) throws {
        let folder = folder(state.layout.name)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try encoder.encode(state).write(to: URL(filePath: folder + "/cluster.json"), options: .atomic)
            try HostEntry.script(state, folder: folder).write(
                toFile: folder + "/enter", atomically: true, encoding: .utf8)
            try ClusterLaunch.hostfileText(state.layout.hosts).write(
                toFile: folder + "/hostfile", atomically: true, encoding: .utf8)
            try HostEntry.hostNames(state.layout).write(toFile: folder + "/hosts", atomically: false, encoding: .utf8)
        } catch {
            throw ApusError("writing to \(folder)", error.localizedDescription, kind: .runtime)
        }
    }

    package func remove(_ cluster: String) throws {
        do {
            try FileManager.default.removeItem(atPath: folder(cluster))
        } catch CocoaError.fileNoSuchFile {
        } catch {
            throw ApusError("removing \(folder(cluster))", error.localizedDescription, kind: .runtime)
        }
    }

    /// Keeps other commands from changing clusters until it is released.
    package func lock() throws -> RunLock {
        do {
            try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
            return try RunLock.take("clusters", inRun: root, patience: .seconds(60))
        } catch let error as ApusError {
            throw ApusError(
                "changing the clusters of this machine", error.problem,
                remedy: "wait until the other `apus cluster` command has ended", kind: .runtime)
        } catch {
            throw ApusError("making \(root)", error.localizedDescription, kind: .runtime)
        }
    }
}
