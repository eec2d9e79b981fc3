import Coordination
import Foundation
import Kernels

/// What there is to know about this host without measuring.
public struct HostFacts: Sendable {
    public var processor: ProcessorFeatures
    /// The vector instructions that this binary uses.
    public var builtFlags: Set<String>
    public var processorCount: ProcessorCount
    /// Processors that are online, whether or not this process may use them.
    public var onlineProcessors: Int
    /// Processors' worth of time that the control group allows; nil without a limit.
    public var processorQuota: Double?
    /// Bytes of memory, or of the control group's limit where that is less.
    public var memory: Int
    /// Bytes that can be had without swapping.
    public var availableMemory: Int
    /// The file system of `/dev/shm`; nil when there is none.
    public var sharedMemory: Capacity?
    /// Files that this process may have open.
    public var openFileLimit: Int
    public var openFileHardLimit: Int

    public struct Capacity: Hashable, Sendable {
        /// Bytes.
        public var size: Int
        public var free: Int

        public init(size: Int, free: Int) {
            self.size = size
            self.free = free
        }
    }

    public init(
        processor: ProcessorFeatures, builtFlags: Set<String>, processorCount: ProcessorCount, onlineProcessors: Int,
        processorQuota: Double?, memory: Int, availableMemory: Int, sharedMemory: Capacity?, openFileLimit: Int,
        openFileHardLimit: Int
    ) {
        self.processor = processor
        self.builtFlags = builtFlags
        self.processorCount = processorCount
        self.onlineProcessors = onlineProcessors
        self.processorQuota = processorQuota
        self.memory = memory
        self.availableMemory = availableMemory
        self.sharedMemory = sharedMemory
        self.openFileLimit = openFileLimit
        self.openFileHardLimit = openFileHardLimit
    }

    public static var current: HostFacts {
        let memory = MemoryInformation(text: read("/proc/meminfo"))
        let groupLimit = Int(read("/sys/fs/cgroup/memory.max").trimmingCharacters(in: .whitespacesAndNewlines))
        let total = min(memory.total, groupLimit ?? .max)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return HostFacts(
            processor: .current, builtFlags: BuiltFeatures.flags, processorCount: .current,
            onlineProcessors: sysconf(Int32(_SC_NPROCESSORS_ONLN)),
            processorQuota: quota(cpuMax: read("/sys/fs/cgroup/cpu.max")),
            memory: total, availableMemory: min(memory.available, total), sharedMemory: capacity("/dev/shm"),
            openFileLimit: Int(clamping: limit.rlim_cur), openFileHardLimit: Int(clamping: limit.rlim_max))
    }

    /// `max 100000` or `150000 100000`: microseconds in each period.
    package static func quota(cpuMax text: String) -> Double? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), period > 0 else {
            return nil
        }
        return quota / period
    }

    private static func read(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }

    private static func capacity(_ path: String) -> Capacity? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let block = Int(clamping: status.f_frsize)
        return Capacity(size: Int(clamping: status.f_blocks) * block, free: Int(clamping: status.f_bavail) * block)
    }
}

/// Two lines of `/proc/meminfo`, in bytes.
struct MemoryInformation {
    let total: Int
    let available: Int

    init(text: String) {
        func bytes(_ label: String) -> Int {
            let line = text.split(separator: "\n").first { $0.hasPrefix(label + ":") }
            return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
        }
        total = bytes("MemTotal")
        available = bytes("MemAvailable")
    }
}
