import Coordination
import Foundation
import Numerics
import Observability
import Subprocess
import SystemPackage

/// Checks of Open MPI: that it is there, fits this binary, and carries messages between two ranks.
public enum MPIChecks {
    private static let cureMissing = "install Open MPI: apt install openmpi-bin libopenmpi-dev"
    private static let patience = Duration.seconds(60)

    /// - Parameter probe: A program and its arguments that call `MPIProbe.run` and print its result as JSON.
    public static func all(
        probe: [String], environment: [String: String] = ProcessInfo.processInfo.environment
    ) async -> [Finding] {
        let launcher = await launcherVersion(environment)
        let found = version(launcher: launcher, library: MPIProbe.libraryVersion)
        guard launcher != nil else { return [found] }
        return [found, roundTrip(await runProbe(probe, environment))]
    }

    /// `mpirun`'s first line, such as `mpirun (Open MPI) 4.1.4`, against the library that this binary is linked with.
    package static func version(launcher: String?, library: String) -> Finding {
        let subject = "MPI"
        guard let launcher else { return Finding(subject, .failed, "mpirun is not in PATH", cure: cureMissing) }
        let pattern = /\d+\.\d+(\.\d+)?/
        let versions = [launcher, library].map { $0.firstMatch(of: pattern).map { String($0.output.0) } ?? "unknown" }
        guard versions[0] == versions[1], launcher.contains("Open MPI") else {
            return Finding(
                subject, .failed, "mpirun is \"\(launcher)\", but this binary is linked with \"\(library)\"",
                cure: "put the bin folder of the MPI that apus was built with first in PATH")
        }
        return Finding(subject, .ok, "Open MPI \(versions[0])")
    }

    package enum ProbeOutcome: Sendable {
        case result(MPIProbe.Result)
        case failure(exitCode: Int32?, words: String)
        case timeout
    }

    package static func roundTrip(_ outcome: ProbeOutcome) -> Finding {
        let subject = "two ranks"
        switch outcome {
        case .timeout:
            return Finding(
                subject, .failed, "mpirun -np 2 did not end within \(patience.components.seconds) s",
                cure: "see whether a firewall blocks this host's own addresses: mpirun -np 2 hostname")
        case .failure(let exitCode, let words):
            let code = exitCode.map { "exit code \($0)" } ?? "a signal"
            return Finding(
                subject, .failed, "mpirun -np 2 ended with \(code): \(words.isEmpty ? "no words" : words)",
                cure: "make this work first: mpirun -np 2 hostname")
        case .result(let result):
            let detail =
                "\(Quantity.fixed(result.latencyMicroseconds, 1)) µs for a message, "
                + "\(Quantity.fixed(result.sharedWindowGBs, 1)) GB/s from shared memory"
            if result.latencyMicroseconds > 100 || result.sharedWindowGBs < 2 {
                return Finding(
                    subject, .warning, detail,
                    cure: "make sure that nothing else is running, and that two cores are free for two ranks")
            }
            return Finding(subject, .ok, detail)
        }
    }

    private static func launcherVersion(_ environment: [String: String]) async -> String? {
        let result = try? await Subprocess.run(
            .name("mpirun"), arguments: ["--version"], environment: variables(environment),
            output: .string(limit: 1 << 16))
        return result?.standardOutput.split(separator: "\n").first.map(String.init)
    }

    private static func runProbe(_ probe: [String], _ environment: [String: String]) async -> ProbeOutcome {
        let binding =
            ProcessorCount.current.cores >= 2 ? ["--bind-to", "core"] : ["--oversubscribe", "--bind-to", "none"]
        return await withTaskGroup(of: ProbeOutcome.self) { group in
            group.addTask {
                do {
                    let result = try await Subprocess.run(
                        .name("mpirun"), arguments: Arguments(["-np", "2"] + binding + probe),
                        environment: variables(environment), output: .bytes(limit: 1 << 16),
                        error: .string(limit: 1 << 20))
                    if result.terminationStatus.isSuccess,
                        let read = try? JSONDecoder().decode(MPIProbe.Result.self, from: Data(result.standardOutput))
                    {
                        return .result(read)
                    }
                    let words = result.standardError.split(separator: "\n").filter { !$0.hasPrefix("---") }
                    let code: Int32? =
                        if case .exited(let code) = result.terminationStatus { code } else { nil }
                    return .failure(exitCode: code, words: words.prefix(3).joined(separator: " "))
                } catch {
                    return .failure(exitCode: nil, words: "\(error)")
                }
            }
            group.addTask {
                try? await Task.sleep(for: patience)
                return .timeout
            }
            defer { group.cancelAll() }
            return await group.next() ?? .timeout
        }
    }

    private static func variables(_ environment: [String: String]) -> Subprocess.Environment {
        var environment = environment
        if geteuid() == 0 {
            environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
            environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        }
        return .custom(
            Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }))
    }
}
