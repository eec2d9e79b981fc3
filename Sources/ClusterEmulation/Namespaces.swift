import Foundation
import Numerics
import Subprocess

/// The network namespaces of this machine that have names, and the processes in them.
enum Namespaces {
    static let folder = "/run/netns"

    static var existing: Set<String> {
        Set((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    }

    /// The processes in namespaces; none where there is no such namespace.
    static func processes(in namespaces: [String]) async throws -> Set<Int32> {
        var processes: Set<Int32> = []
        for namespace in namespaces where existing.contains(namespace) {
            let result = try await SystemCommands.attempt(["ip", "netns", "pids", namespace])
            processes.formUnion(result.output.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) })
        }
        return processes
    }

    /// Ends the processes in namespaces, and those that they start meanwhile.
    ///
    /// - Parameter isAsked: Whether they are asked first, and killed only if they do not obey.
    /// - Throws: `ApusError` where this process is one of them.
    static func endProcesses(
        in namespaces: [String], askingFirst isAsked: Bool, where isMeant: (Int32) -> Bool = { _ in true }
    ) async throws {
        let deadline = ContinuousClock.now + patience
        while true {
            let processes = try await processes(in: namespaces).filter(isMeant)
            guard !processes.isEmpty else { return }
            guard !processes.contains(getpid()) else {
                throw ApusError(
                    "ending what runs on the hosts", "this command runs on one of them",
                    remedy: "give it on the machine itself", kind: .runtime)
            }
            let mustGo = !isAsked || ContinuousClock.now >= deadline
            guard ContinuousClock.now < deadline + patience else {
                throw ApusError(
                    "ending what runs on the hosts",
                    "these processes do not end: \(processes.sorted().map(String.init).joined(separator: ", "))",
                    kind: .runtime)
            }
            for process in processes { kill(process, mustGo ? SIGKILL : SIGTERM) }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private static let patience = Duration.seconds(2)
}
