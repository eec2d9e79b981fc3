import Observability

/// Checks of what a host has, each a pure function of `HostFacts`.
public enum HostChecks {
    public static func all(_ facts: HostFacts) -> [Finding] {
        [
            processor(facts), processorCount(facts), memory(facts), sharedMemory(facts), openFiles(facts),
        ]
    }

    /// The vector instructions of the host against those of the build.
    package static func processor(_ facts: HostFacts) -> Finding {
        let subject = "processor"
        let model = facts.processor.model.isEmpty ? "unknown processor" : facts.processor.model
        let missing = facts.builtFlags.subtracting(facts.processor.flags).sorted()
        guard missing.isEmpty || facts.processor.flags.isEmpty else {
            return Finding(
                subject, .failed,
                "\(model) lacks \(missing.joined(separator: ", ")), which this binary was built to use",
                cure: "build on this host, or for both: APUS_CPU=x86-64-v3 swift build -c release")
        }
        let unused = BuiltFeatures.decisive.intersection(facts.processor.flags).subtracting(facts.builtFlags).sorted()
        guard unused.isEmpty else {
            return Finding(
                subject, .warning, "\(model) has \(unused.joined(separator: ", ")), but this binary does not use it",
                cure: "build on this host without APUS_CPU: swift build -c release")
        }
        let used = BuiltFeatures.decisive.intersection(facts.builtFlags).sorted()
        return Finding(
            subject, .ok, "\(model); built for it, with \(used.isEmpty ? "its baseline" : used.joined(separator: ", "))"
        )
    }

    /// The cores that may be used against those that are there.
    package static func processorCount(_ facts: HostFacts) -> Finding {
        let subject = "cores"
        let count = facts.processorCount
        let found = "\(count.cores) \(count.cores == 1 ? "core" : "cores"), \(count.hardwareThreads) hardware threads"
        if let quota = facts.processorQuota, quota < Double(count.cores) - 0.01 {
            return Finding(
                subject, .warning,
                "\(found), but the container's quota is \(Quantity.fixed(quota, 1)) processors; threads beyond it wait",
                cure: "raise the quota, or keep ranks × launch.threadsPerRank within \(max(Int(quota), 1))")
        }
        if count.hardwareThreads < facts.onlineProcessors {
            return Finding(
                subject, .warning,
                "\(found); the affinity mask keeps this process from \(facts.onlineProcessors - count.hardwareThreads) more",
                cure: "start it without taskset, or ask the scheduler for more processors")
        }
        return Finding(subject, .ok, found)
    }

    package static func memory(_ facts: HostFacts) -> Finding {
        let detail = "\(Quantity.bytes(facts.availableMemory)) of \(Quantity.bytes(facts.memory)) available"
        guard facts.availableMemory >= 2 << 30 else {
            return Finding(
                "memory", .warning, detail,
                cure: "end other programs: parameters, gradients and moments of a 124M model alone take 2 GB")
        }
        return Finding("memory", .ok, detail)
    }

    /// Ranks of one host exchange gradients through files in `/dev/shm`.
    package static func sharedMemory(_ facts: HostFacts) -> Finding {
        let subject = "shared memory"
        guard let capacity = facts.sharedMemory else {
            return Finding(
                subject, .failed, "/dev/shm is missing, so ranks of this host cannot share memory",
                cure: "mount it: mount -t tmpfs -o size=50% tmpfs /dev/shm")
        }
        let detail = "\(Quantity.bytes(capacity.free)) of \(Quantity.bytes(capacity.size)) free in /dev/shm"
        guard capacity.free >= 1 << 30 else {
            return Finding(
                subject, .warning, detail + "; the gradients of all ranks must fit",
                cure: "enlarge it: docker run --shm-size=8g, or mount -o remount,size=50% /dev/shm")
        }
        return Finding(subject, .ok, detail)
    }

    package static func openFiles(_ facts: HostFacts) -> Finding {
        let subject = "open files"
        let detail = "at most \(facts.openFileLimit)"
        guard facts.openFileLimit >= 1024 else {
            let cure =
                facts.openFileHardLimit >= 4096
                ? "raise it: ulimit -n 4096" : "raise nofile in /etc/security/limits.conf, then log in again"
            return Finding(
                subject, .warning, detail + "; shards, checkpoints and MPI connections need more", cure: cure)
        }
        return Finding(subject, .ok, detail)
    }
}
