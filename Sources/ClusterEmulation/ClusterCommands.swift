import Foundation
import Numerics

extension EmulatedCluster {
    /// Becomes a command on a host, as if it had been given there; returns only by throwing.
    public func enter(_ host: String, command: [String]) throws -> Never {
        try Self.requireRoot(for: "entering \(host) of the cluster '\(name)'")
        guard layout.hosts.contains(where: { $0.name == host }) else {
            throw ApusError(
                "entering '\(host)' of the cluster '\(name)'", "there is no such host",
                remedy: "the hosts are host1 to host\(layout.hosts.count)")
        }
        try become(
            ["sh", store.folder(name) + "/enter", host] + command.map { HostEntry.quoted($0) })
    }

    /// Becomes `mpirun` with these arguments, with a rank for each slot of the cluster unless they say otherwise.
    public func mpirun(_ arguments: [String]) throws -> Never {
        try Self.requireRoot(for: "starting ranks on the cluster '\(name)'")
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1)
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1)
        let launch = ClusterLaunch(self)
        let binding = ["--hostfile", launch.hostfile, "--bind-to", "none"]
        try become(["mpirun"] + binding + launch.launcherArguments + arguments)
    }

    private func become(_ words: [String]) throws -> Never {
        var pointers = words.map { strdup($0) } + [nil]
        execvp(words[0], &pointers)
        throw ApusError("starting \(words[0])", String(cString: strerror(errno)), kind: .runtime)
    }

    /// A line for the cluster and one for each host, as `apus cluster list` prints them.
    package var listing: [String] {
        let racks = layout.racks > 1 ? " in \(layout.racks) racks" : ""
        let hosts = layout.hosts.count == 1 ? "1 host" : "\(layout.hosts.count) hosts"
        var lines = ["\(name): \(hosts)\(racks), network \(layout.network)\(state.isComplete ? "" : ", half made")"]
        if layout.racks > 1 { lines.append("  uplinks: \(layout.uplink.words)") }
        for feature in state.missing { lines.append("  without \(feature.rawValue): this machine has no means for it") }
        for host in layout.hosts {
            var words = [host.name, host.address]
            if layout.racks > 1 { words.append("rack\(host.rack)") }
            words.append(host.slots == 1 ? "1 rank" : "\(host.slots) ranks")
            if let processors = host.processors { words.append("\(processors) processors") }
            if let memory = host.memory { words.append("\(memory >> 20) MiB") }
            words.append(host.link.words)
            lines.append("  " + words.joined(separator: "  ") + (state.condition(of: host).map { "  (\($0))" } ?? ""))
        }
        return lines
    }

    public var description: String { listing.joined(separator: "\n") }
}
