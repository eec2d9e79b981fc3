import Foundation

/// What is known of processes that a launcher has started, without asking MPI.
public enum LaunchedProcess {
    /// This process's rank as its launcher (Open MPI, PMIx or Slurm) says it; nil without one.
    public static let rank: Int? = {
        let environment = ProcessInfo.processInfo.environment
        return ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"].lazy
            .compactMap { environment[$0].flatMap { Int($0) } }.first
    }()

    /// Whether a process of this host still runs. A zombie does not: its parent has only not asked yet how it ended.
    public static func isRunning(_ identifier: Int32) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8) else {
            return false
        }
        return !(status.split(separator: ")").last?.hasPrefix(" Z") ?? true)
    }
}
