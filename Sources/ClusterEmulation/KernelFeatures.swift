import JobConfiguration
import Numerics

/// What this machine has means for, found out by trying.
enum KernelFeatures {
    /// Those of `features` that this machine lacks.
    ///
    /// - Throws: `ApusError` where nothing can be tried.
    static func missing(of features: Set<ClusterFeature>, groups: ControlGroups) async throws -> Set<ClusterFeature> {
        var missing = features.intersection(groups.missing)
        if features.contains(.bandwidth), try await !has(["tbf", "rate", "1mbit", "burst", "16kb", "latency", "50ms"]) {
            missing.insert(.bandwidth)
        }
        let emulated = features.intersection([.latency, .loss])
        if !emulated.isEmpty, try await !has(["netem", "delay", "1ms"]) { missing.formUnion(emulated) }
        return missing
    }

    static func reason(_ feature: ClusterFeature) -> String {
        switch feature {
        case .bandwidth: "this kernel has no token bucket filter ('modprobe sch_tbf' may load it)"
        case .latency, .loss: "this kernel has no network emulator ('modprobe sch_netem' may load it)"
        case .processors: "this machine has no control groups for processors (none is mounted under /sys/fs/cgroup)"
        case .memory: "this machine has no control groups for memory (none is mounted under /sys/fs/cgroup)"
        }
    }

    /// Gives the loopback of a namespace that ends with the command a queueing discipline.
    private static func has(_ discipline: [String]) async throws -> Bool {
        let words = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root"] + discipline
        let result = try await SystemCommands.attempt(words)
        if result.isSuccess { return true }
        guard result.words.contains("qdisc kind is unknown") || result.words.contains("No such file") else {
            throw SystemCommands.failure(of: words, saying: result.words)
        }
        return false
    }
}
