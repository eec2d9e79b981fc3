import Foundation
import Numerics

/// The processors of this host that this process may use.
public struct ProcessorCount: Hashable, Sendable {
    /// Hardware threads.
    public var hardwareThreads: Int
    /// Cores; Open MPI counts these as its slots, and arithmetic gains nothing from a second thread of one.
    public var cores: Int

    public init(hardwareThreads: Int, cores: Int) {
        self.hardwareThreads = hardwareThreads
        self.cores = cores
    }

    public static var current: ProcessorCount {
        let threads = OnlineCores.count
        let topology = URL(filePath: "/sys/devices/system/cpu")
        let siblings = allowedProcessors(
            status: (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        )
        .compactMap { processor in
            try? String(
                contentsOf: topology.appending(path: "cpu\(processor)/topology/thread_siblings_list"), encoding: .utf8)
        }
        // Processors of one core name the same siblings.
        let cores = siblings.count == threads ? Set(siblings).count : threads
        return ProcessorCount(hardwareThreads: threads, cores: max(cores, 1))
    }

    /// The line `Cpus_allowed_list:` of `/proc/self/status`, for example `0-3,8`.
    package static func allowedProcessors(status: String) -> [Int] {
        let label = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(label) }) else { return [] }
        return line.dropFirst(label.count).split(separator: ",").flatMap { part -> [Int] in
            let bounds = part.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
            guard let first = bounds.first, let last = bounds.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
