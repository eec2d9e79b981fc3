import Foundation
import TestSupport
import Testing

/// `apus cluster` without the right to make one: what is said.
@Suite struct ClusterInputTests {
    @Test(arguments: [
        (["launch", "job.yaml", "--cluster", "a", "--hostfile", "b"], "--cluster has hosts of its own"),
        (["launch", "job.yaml", "--cluster", "a", "--launcher", "srun"], "are started by mpirun, not by srun"),
        (["cluster", "degrade", "host1"], "say what changes: --bandwidth 10mbit"),
        (["cluster", "degrade", "host1", "--bandwidth", "fast"], "The value 'fast' is invalid"),
        (["cluster", "down", "a", "--all"], "name a cluster or give --all, not both"),
        (["cluster", "up", "no-such.yaml"], "no-such.yaml: there is no such file"),
        (["cluster", "shell", "--cluster", "no-such-cluster", "host1"], "looking for the cluster 'no-such-cluster'"),
    ])
    func wrongArgumentsAreNamed(arguments: [String], message: String) async throws {
        let result = try await run("apus", arguments)
        #expect(result.exitCode == 65, "\(result)")
        #expect(result.standardError.contains(message), "\(result)")
    }

    /// Somebody who is not root is told so before anything else.
    @Test(arguments: [["up", "2x1gbit.yaml"], ["down", "a"], ["fail", "host1"], ["heal"], ["down", "--all"]])
    func whoIsNotRootIsToldHowToBe(arguments: [String]) async throws {
        let apus = try builtExecutable("apus")
        let command = ["--reuid=65534", "--clear-groups"]
        guard try await run("setpriv", command + ["test", "-x", apus]).isSuccess else { return }
        try await withTemporaryFolder { folder in
            chmod(folder.path, 0o755)
            try "name: two\nhosts: 2".write(
                to: folder.appendingPathComponent("2x1gbit.yaml"), atomically: true, encoding: .utf8)
            let result = try await run("setpriv", command + [apus, "cluster"] + arguments, workingDirectory: folder)
            #expect(result.exitCode == 65, "\(result)")
            #expect(result.standardError.contains("only root may make or enter them\n  → give the command with sudo"))
        }
    }
}

/// Clusters that are really made. They need root, and a kernel and container that let it make network namespaces.
@Suite(.serialized, .enabled(if: EmulatedMachine.canMakeClusters)) struct ClusterCommandTests {
    @Test func aJobOnAClusterSurvivesACutAndComputesTheSameBits() async throws {
        try await withCluster("hosts: 2\nhost: {bandwidth: 1gbit}") { cluster in
            try await withTrainingWorkspace { workspace in
                let hosts = try await workspace.apus(["cluster", "shell", "--cluster", cluster, "host2", "hostname"])
                #expect(hosts.standardOutput == "host2\n")
                try await workspace.apus([
                    "cluster", "degrade", "host1", "--cluster", cluster, "--bandwidth", "500mbit",
                ])

                let whole = try workspace.writeJob("whole", .gpt2, data: 2, steps: 60)
                try await workspace.work(whole, ranks: 2, ["evaluation.every=0"])
                let job = try workspace.writeJob("emulated", .gpt2, data: 2, steps: 60)
                let launch =
                    ["launch", job, "--cluster", cluster]
                    + ["supervision.backoffSeconds=0.1", "supervision.stallFloorSeconds=2", "evaluation.every=0"]
                    .flatMap { ["--set", $0] }
                try await workspace.apus(["cluster", "fail", "host2", "--cluster", cluster])
                let refused = try await run("apus", launch, workingDirectory: workspace.folder)
                #expect(refused.exitCode == 1, "\(refused)")
                #expect(refused.standardError.contains("host2 (down) cannot be reached"), "\(refused)")
                try await workspace.apus(["cluster", "heal", "--cluster", cluster])

                let result = try await run("apus", launch, workingDirectory: workspace.folder) { program in
                    try await program.waitForOutput("step 11/")
                    try await workspace.apus(["cluster", "fail", "host2.link", "--cluster", cluster])
                    try await program.waitForOutput("has not been heard of for")
                    try await program.waitForOutput("waiting for host2 (link cut)")
                    #expect(try await EmulatedMachine.processes(of: cluster).isEmpty)
                    try await workspace.apus(["cluster", "heal", "host2.link", "--cluster", cluster])
                }
                #expect(result.exitCode == 0, "\(result)")
                #expect(result.output.contains("rank 1 on host2 (process"), "\(result)")
                #expect(try workspace.losses("whole") == workspace.losses("emulated"))
                #expect(try workspace.tensors("whole") == workspace.tensors("emulated"))
            }
        }
    }

    @Test func whatIsLeftFromBeforeIsNamedAndTakenAway() async throws {
        let cluster = EmulatedMachine.freshName()
        try await withDocument(cluster, "hosts: 1") { document in
            #expect(try await run("ip", ["netns", "add", "apus.\(cluster).host1"]).isSuccess)
            let refused = try await run("apus", ["cluster", "up", document])
            #expect(refused.exitCode == 65, "\(refused)")
            #expect(
                refused.standardError.contains(
                    "this is left from before: the namespace apus.\(cluster).host1\n"
                        + "  → take it away first: apus cluster down \(cluster)"), "\(refused)")
            #expect(try await run("apus", ["cluster", "down", cluster]).isSuccess)
            #expect(EmulatedMachine.remains(of: cluster) == [])
            let nothing = try await run("apus", ["cluster", "down", cluster])
            #expect(nothing.exitCode == 65, "\(nothing)")
            #expect(nothing.standardError.contains("there is nothing of it here"), "\(nothing)")
        }
    }

    /// Asked to end in the middle of `up` it takes everything back; killed there, `down` does.
    @Test(arguments: [SIGTERM, SIGKILL])
    func anInterruptedStartLeavesNothing(signal: Int32) async throws {
        let cluster = EmulatedMachine.freshName()
        try await withDocument(cluster, "hosts: 40\nhost: {processors: 0.5}\noptional: processors") { document in
            let result = try await run("apus", ["cluster", "up", document]) { program in
                while !FileManager.default.fileExists(atPath: "/run/netns/apus.\(cluster).host2") {
                    try await Task.sleep(for: .milliseconds(2))
                }
                program.send(signal)
            }
            #expect(!result.isSuccess, "\(result)")
            if signal == SIGKILL {
                #expect(EmulatedMachine.remains(of: cluster) != [])
                let again = try await run("apus", ["cluster", "up", document])
                #expect(again.standardError.contains("it is half made: an earlier `apus cluster up`"), "\(again)")
                let down = try await run("apus", ["cluster", "down", cluster])
                #expect(down.isSuccess, "\(down)")
            } else {
                #expect(result.standardError.contains("interrupted; what was made has been taken back"), "\(result)")
            }
            #expect(EmulatedMachine.remains(of: cluster) == [])
        }
    }

    /// Only where the kernel has no network emulator is there anything to refuse.
    @Test func whatTheKernelLacksIsRefusedUnlessItIsOptional() async throws {
        let lacksEmulator = try await !run(
            "unshare", ["--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        ).isSuccess
        let cluster = EmulatedMachine.freshName()
        try await withDocument(cluster, "hosts: 1\nhost: {latency: 1ms}") { document in
            let result = try await run("apus", ["cluster", "up", document])
            #expect(result.isSuccess != lacksEmulator, "\(result)")
            if lacksEmulator {
                #expect(
                    result.standardError.contains(
                        "its document asks for latency, but this kernel has no network emulator"), "\(result)")
                #expect(result.standardError.contains("write 'optional: [latency]' into the document"), "\(result)")
            } else {
                _ = try await run("apus", ["cluster", "down", cluster])
            }
            #expect(EmulatedMachine.remains(of: cluster) == [])
        }
        try await withCluster("hosts: 1\nhost: {latency: 1ms}\noptional: latency") { cluster in
            let list = try await run("apus", ["cluster", "list"])
            #expect(list.standardOutput.contains("without latency: this machine has no means") == lacksEmulator)
        }
    }
}

/// What of clusters is there on this machine.
enum EmulatedMachine {
    static let canMakeClusters: Bool = {
        guard geteuid() == 0 else { return false }
        let trial = Process()
        trial.executableURL = URL(filePath: "/bin/sh")
        trial.arguments = [
            "-c",
            "command -v tc && command -v nsenter && ip netns add apus-trial && ip netns delete apus-trial"
                + " && unshare --net --uts --mount tc qdisc add dev lo root tbf rate 1mbit burst 16kb latency 50ms",
        ]
        trial.standardOutput = FileHandle.nullDevice
        trial.standardError = FileHandle.nullDevice
        do { try trial.run() } catch { return false }
        trial.waitUntilExit()
        return trial.terminationStatus == 0
    }()

    static func freshName() -> String { "test-\(UUID().uuidString.prefix(8).lowercased())" }

    static func remains(of cluster: String) -> [String] {
        ["/run/netns", "/run/apus/clusters", "/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory"].flatMap {
            folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
                .filter { $0 == cluster || $0.hasPrefix("apus.\(cluster).") }.map { "\(folder)/\($0)" }
        }
    }

    static func processes(of cluster: String) async throws -> String {
        var processes = ""
        for host in ["host1", "host2"] {
            processes += try await run("ip", ["netns", "pids", "apus.\(cluster).\(host)"]).standardOutput
        }
        return processes
    }
}

/// Writes a cluster's document, and sees to it that nothing is left of the cluster however `body` ends.
private func withDocument(_ cluster: String, _ yaml: String, _ body: (String) async throws -> Void) async throws {
    try await withTemporaryFolder { folder in
        let document = folder.appendingPathComponent("cluster.yaml")
        try "name: \(cluster)\n\(yaml)\n".write(to: document, atomically: true, encoding: .utf8)
        do {
            try await body(document.path)
        } catch {
            _ = try await run("apus", ["cluster", "down", cluster])
            throw error
        }
        if EmulatedMachine.remains(of: cluster) != [] { _ = try await run("apus", ["cluster", "down", cluster]) }
    }
}

/// Brings a cluster up, and takes it down after `body`, which must leave nothing.
private func withCluster(_ yaml: String, _ body: (String) async throws -> Void) async throws {
    let cluster = EmulatedMachine.freshName()
    try await withDocument(cluster, yaml) { document in
        let up = try await run("apus", ["cluster", "up", document])
        try #require(up.isSuccess, "\(up)")
        #expect(up.standardOutput.contains("\(cluster): "))
        try await body(cluster)
        let down = try await run("apus", ["cluster", "down", cluster])
        #expect(down.isSuccess, "\(down)")
        #expect(EmulatedMachine.remains(of: cluster) == [])
    }
}
