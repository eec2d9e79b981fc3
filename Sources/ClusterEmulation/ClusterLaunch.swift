import Coordination
import Foundation
import JobConfiguration
import Numerics
import Supervision

/// How a job is started on a cluster: by Open MPI, over the cluster's network, with `enter` in the place of ssh.
public struct ClusterLaunch: Sendable {
    package let cluster: EmulatedCluster

    /// How long a restart waits for hosts that it cannot do without.
    private static let patience = Duration.seconds(30)

    public init(_ cluster: EmulatedCluster) { self.cluster = cluster }

    public var name: String { cluster.name }
    private var layout: ClusterLayout { cluster.layout }

    /// What `mpirun` must be told, whatever it starts.
    public var launcherArguments: [String] {
        let settings = [
            ("plm", "rsh"), ("plm_rsh_agent", "sh \(cluster.store.folder(layout.name))/enter"),
            ("plm_rsh_no_tree_spawn", "1"), ("oob_tcp_if_include", layout.network.description),
            // Nothing may bypass the links.
            ("pml", "ob1"), ("btl", "tcp,vader,self"), ("btl_tcp_if_include", layout.network.description),
            ("btl_vader_single_copy_mechanism", "none"),
            // The hosts share the machine's processors: a rank that waits must leave its own to the others.
            ("mpi_yield_when_idle", "1"),
        ]
        return settings.flatMap { ["--mca", $0.0, $0.1] }
    }

    /// The hostfile of all hosts.
    public var hostfile: String { cluster.store.folder(layout.name) + "/hostfile" }

    static func hostfileText(_ hosts: [ClusterLayout.Host]) -> String {
        hosts.map { "\($0.name) slots=\($0.slots)\n" }.joined()
    }

    /// The job with what the cluster decides where the job does not: where the coordinator is reached, and how many threads
    /// a rank has when all hosts share the processors of one machine.
    ///
    /// - Throws: `ApusError` where the cluster takes fewer ranks than the job has.
    public func adapted(
        _ job: JobConfiguration, ranks: Int?, processors: ProcessorCount = .current
    ) throws -> JobConfiguration {
        var job = job
        let ranks = ranks ?? (job.fillsRanks ? layout.slots : job.parallelism.size)
        guard ranks <= layout.slots || job.supervision.elastic else {
            throw ApusError(
                "starting job '\(job.name)'",
                "it needs \(ranks) ranks, but the cluster '\(layout.name)' takes \(layout.slots)",
                remedy: "bring up a cluster with more hosts or slots, or set parallelism so that the product of its "
                    + "degrees is at most \(layout.slots)")
        }
        if job.launch.controlAddress == nil { job.launch.controlAddress = layout.coordinatorAddress }
        if job.launch.threadsPerRank == 0 {
            let limits = layout.hosts.compactMap { host in
                host.processors.map { Int($0.rounded(.up)) / host.slots }
            }
            job.launch.threadsPerRank = max(min(processors.cores / max(ranks, 1), limits.min() ?? .max), 1)
        }
        return job
    }

    /// The request on all hosts of the cluster.
    public func adapted(_ request: LaunchRequest) -> LaunchRequest {
        var request = request
        request.launcher = .mpirun
        request.hostfile = hostfile
        request.launcherArguments = launcherArguments + request.launcherArguments
        return request
    }

    /// The request on the hosts that can be reached, for the first start or a later one.
    ///
    /// - Parameters:
    ///   - isRestart: Whether to wait a while for hosts without which there are too few.
    ///   - tell: Called with what is worth knowing.
    /// - Throws: `ApusError` naming the hosts that cannot be reached, where the others do not have enough slots.
    public func ready(
        _ request: LaunchRequest, for job: JobConfiguration, isRestart: Bool, tell: (String) -> Void
    ) async throws -> LaunchRequest {
        let needed = request.ranks ?? (job.fillsRanks ? nil : job.parallelism.size)
        let deadline = ContinuousClock.now + (isRestart ? Self.patience : .zero)
        var hasTold = false
        while true {
            // What has been done to the cluster since.
            let now = try EmulatedCluster.named(layout.name, in: cluster.store)
            let reachable = try await now.reachableHosts()
            let lost = layout.hosts.filter { !reachable.contains($0) }
            let slots = reachable.reduce(0) { $0 + $1.slots }
            // More than the cluster ever has is the job's mistake, which the plan explains.
            let isEnough = slots >= min(needed ?? 1, layout.slots)
            if !reachable.isEmpty, isEnough || job.supervision.elastic {
                if !lost.isEmpty { tell("going on without \(Self.list(lost, in: now))") }
                var request = adapted(request)
                request.hostfile = try write(reachable, enoughFor: needed, runFolder: job.output)
                return request
            }
            guard ContinuousClock.now < deadline else {
                throw ApusError(
                    "starting job '\(job.name)' on the cluster '\(layout.name)'",
                    "\(Self.list(lost, in: now)) cannot be reached, and the other hosts take \(slots) of its "
                        + "\(needed ?? layout.slots) ranks",
                    remedy: "bring back what is gone (apus cluster heal), and give the same command again; or let the "
                        + "job go on with fewer ranks: --set supervision.elastic=true",
                    kind: .runtime)
            }
            if !hasTold {
                tell("waiting for \(Self.list(lost, in: now)), for at most \(Self.patience.components.seconds) s")
                hasTold = true
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// Ends what is left on the hosts of a start whose coordinator listened at `address`; other jobs are not touched.
    public func release(_ address: ControlAddress) async {
        let variable = "\(ControlAddress.variable)=\(address)"
        try? await Namespaces.endProcesses(
            in: layout.hosts.map(layout.namespace(of:)), askingFirst: false
        ) { process in
            let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ") ?? Data()
            return environment.split(separator: 0).contains { $0.elementsEqual(variable.utf8) }
        }
    }

    /// A hostfile in the run's folder, with no more hosts than are needed.
    private func write(_ hosts: [ClusterLayout.Host], enoughFor ranks: Int?, runFolder: String) throws -> String {
        var used: [ClusterLayout.Host] = []
        var slots = 0
        for host in hosts where ranks.map({ slots < $0 }) ?? true {
            used.append(host)
            slots += host.slots
        }
        let path = runFolder + "/workers/hostfile"
        do {
            try FileManager.default.createDirectory(atPath: runFolder + "/workers", withIntermediateDirectories: true)
            try Self.hostfileText(used).write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw ApusError(
                "writing \(path)", error.localizedDescription,
                remedy: "the run's folder (output in the job) must be a place where this user may write", kind: .runtime
            )
        }
        return path
    }

    private static func list(_ hosts: [ClusterLayout.Host], in cluster: EmulatedCluster) -> String {
        hosts.map { host in
            host.name + (cluster.state.condition(of: host).map { " (\($0))" } ?? "")
        }.joined(separator: ", ")
    }
}

extension EmulatedCluster {
    /// The hosts that can be entered and from which the coordinator can be reached.
    func reachableHosts() async throws -> [ClusterLayout.Host] {
        let standing = layout.hosts.filter { !state.failedHosts.contains($0.name) }
        let unreachable = try await HostReachability.unreachable(
            standing.map(layout.namespace(of:)), from: layout.coordinatorAddress)
        return standing.filter { !unreachable.contains(layout.namespace(of: $0)) }
    }
}
