import ArgumentParser
import ClusterEmulation
import Coordination
import JobConfiguration
import Synchronization

struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Emulate a cluster on this machine: hosts, switches, links and failures.",
        discussion: """
            Every host is a network namespace with a name, an address and a link of the bandwidth, latency and loss that \
            a document says (configs/clusters). `apus launch --cluster NAME job.yaml` trains on them. Needs root.
            """,
        subcommands: [
            Up.self, Down.self, List.self, Fail.self, Heal.self, Degrade.self, Shell.self, MPIRun.self,
        ])

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the cluster of a document; all of it or, where something is in the way, nothing.")

        @Argument(help: "The cluster's document (YAML).", completion: .file(extensions: ["yaml", "yml"]))
        var file: String

        func run() async throws {
            let configuration = try ClusterConfiguration.load(path: file)
            let isInterrupted = Interruption()
            let cluster = try await EmulatedCluster.up(
                configuration, isInterrupted: { isInterrupted.value }, tell: { print($0) })
            print(cluster.description)
        }
    }

    struct Down: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a cluster down, whole or half made, with all that runs on it.")

        @Argument(help: "The cluster's name; the only one there is unless given.")
        var name: String?

        @Flag(help: "Take down every cluster.")
        var all = false

        func validate() throws {
            if all, name != nil { throw ValidationError("name a cluster or give --all, not both") }
        }

        func run() async throws {
            let names = all ? try await EmulatedCluster.downAll() : [try await EmulatedCluster.down(name)]
            print(names.isEmpty ? "no cluster was up" : names.map { "\($0) is down" }.joined(separator: "\n"))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the clusters of this machine, their hosts, and what is wrong with them.")

        func run() throws {
            let clusters = try EmulatedCluster.all()
            print(clusters.isEmpty ? "no cluster is up" : clusters.map(\.description).joined(separator: "\n"))
        }
    }
}

/// The cluster that a command is about.
struct ClusterOption: ParsableArguments {
    @Option(help: "The cluster's name; the only one there is unless given.")
    var cluster: String?
}

/// Becomes true when somebody asks this process to end; it then takes back what it has done, and does so.
private final class Interruption: Sendable {
    private let isAsked = Mutex(false)
    private let requests = StopRequests()

    init() {
        let stream = requests.stream
        Task { [weak self] in
            for await _ in stream { self?.isAsked.withLock { $0 = true } }
        }
    }

    var value: Bool { isAsked.withLock { $0 } }
}
