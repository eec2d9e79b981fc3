import Foundation
import JobConfiguration
import Numerics
import Subprocess
import SystemPackage

/// Finds out which hosts of a hostfile can still be reached, as `mpirun` would reach them.
public enum HostProbe {
    private static let patience = Duration.seconds(10)

    /// The hostfile without the hosts that do not answer, written into the run's folder; the file itself where all do.
    ///
    /// - Throws: `ApusError` where the file cannot be read or no host is left.
    public static func reachable(hostfile path: String, job: JobConfiguration) async throws -> String {
        let hostfile = try Hostfile(path: path)
        let agent = agent(job)
        let here = ProcessInfo.processInfo.hostName
        let answers = await withTaskGroup(of: (Int, Bool).self) { group in
            for (index, host) in hostfile.hosts.enumerated() {
                group.addTask {
                    if host.name == here || host.name == "localhost" { return (index, true) }
                    return (index, await doesAnswer(host.name, agent))
                }
            }
            return await group.reduce(into: [Int: Bool]()) { $0[$1.0] = $1.1 }
        }
        let left = hostfile.hosts.enumerated().filter { answers[$0.offset] == true }.map(\.element)
        guard !left.isEmpty else {
            throw ApusError(
                "starting again on the hosts of \(path)", "none of its \(hostfile.hosts.count) hosts answers",
                remedy: "bring a host back, and give the same command again", kind: .runtime)
        }
        if left.count == hostfile.hosts.count { return path }
        let reduced = job.output + "/workers/hostfile"
        let text = left.map { host in host.name + (host.slots.map { " slots=\($0)" } ?? "") + "\n" }.joined()
        do {
            try text.write(toFile: reduced, atomically: true, encoding: .utf8)
        } catch {
            throw ApusError("writing \(reduced)", error.localizedDescription, kind: .runtime)
        }
        return reduced
    }

    /// What `mpirun` reaches hosts with: ssh unless the job says otherwise.
    private static func agent(_ job: JobConfiguration) -> [String] {
        let arguments = job.launch.mpirunArguments
        let stated = arguments.indices.dropLast().first { arguments[$0] == "plm_rsh_agent" }.map { arguments[$0 + 1] }
        let words = (stated ?? ProcessInfo.processInfo.environment["OMPI_MCA_plm_rsh_agent"])?.split(separator: " ")
        if let words, !words.isEmpty { return words.map(String.init) }
        return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
    }

    private static func doesAnswer(_ host: String, _ agent: [String]) async -> Bool {
        let asking = Task {
            let result = try? await Subprocess.run(
                .name(agent[0]), arguments: Arguments(agent.dropFirst() + [host, "true"]), output: .discarded,
                error: .discarded)
            return result?.terminationStatus.isSuccess ?? false
        }
        let alarm = Task {
            try await Task.sleep(for: patience)
            asking.cancel()
        }
        defer { alarm.cancel() }
        return await asking.value
    }
}
