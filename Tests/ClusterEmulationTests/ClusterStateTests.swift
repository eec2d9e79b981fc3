import ClusterEmulation
import Coordination
import Foundation
import JobConfiguration
import Numerics
import TestSupport
import Testing

/// What is remembered of clusters, and what is said about those that are not there.
@Suite struct ClusterStateTests {
    private static func state(_ name: String = "a", hosts: Int = 2) -> ClusterState {
        ClusterState(
            layout: ClusterLayout(
                ClusterConfiguration(name: name, hosts: hosts), network: .init(second: 77, third: 1)),
            groups: ControlGroups(processors: .init(version: .one, root: "/sys/fs/cgroup/cpu")), missing: [.loss])
    }

    private static func problem(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing was thrown"
        } catch {
            return "\(error)"
        }
    }

    @Test func whatIsSavedIsLoaded() throws {
        try withTemporaryFolder { folder in
            let store = ClusterStore(root: folder.path)
            var state = Self.state()
            state.failedHosts = ["host2"]
            state.degradedLinks = ["host1.link": LinkShape(bitsPerSecond: 8000)]
            try store.save(state)
            #expect(try store.load("a") == state)
            #expect(store.names == ["a"])
            #expect(state.condition(of: state.layout.hosts[1]) == "down")
            #expect(state.condition(of: state.layout.hosts[0]) == "link at 8kbit")
            let hosts = try String(contentsOfFile: store.folder("a") + "/hosts", encoding: .utf8)
            #expect(hosts.contains("10.77.1.2 host2\n"))
            let hostfile = try String(contentsOfFile: store.folder("a") + "/hostfile", encoding: .utf8)
            #expect(hostfile == "host1 slots=1\nhost2 slots=1\n")
            try store.remove("a")
            try store.remove("a")
            #expect(try store.load("a") == nil)
        }
    }

    @Test func clustersThatAreNotThereAreNamed() throws {
        try withTemporaryFolder { folder in
            let store = ClusterStore(root: folder.path)
            #expect(Self.problem { _ = try EmulatedCluster.named(nil, in: store) }.contains("none is up"))
            #expect(
                Self.problem { _ = try EmulatedCluster.named("b", in: store) }.contains(
                    "looking for the cluster 'b': none is up"))
            try store.save(Self.state())
            #expect(
                Self.problem { _ = try EmulatedCluster.named("b", in: store) }.contains("the clusters here are a"))
            #expect(Self.problem { _ = try EmulatedCluster.named("../a", in: store) }.contains("the clusters here"))
            // Named by being the only one, and half made.
            #expect(
                Self.problem { _ = try EmulatedCluster.named(nil, in: store) }.contains(
                    "it is half made: `apus cluster up` was interrupted\n  → take it down and bring it up again"))
            var whole = Self.state()
            whole.isComplete = true
            try store.save(whole)
            #expect(
                Self.problem { _ = try EmulatedCluster.named("a", in: store) }.contains(
                    "its namespace apus.a.switch is"))
            try store.save(Self.state("b"))
            #expect(Self.problem { _ = try EmulatedCluster.named(nil, in: store) }.contains("2 are up: a, b"))
            try "{".write(toFile: store.folder("a") + "/cluster.json", atomically: true, encoding: .utf8)
            #expect(Self.problem { _ = try EmulatedCluster.named("a", in: store) }.contains("apus cluster down a"))
        }
    }

    /// The script that stands in the place of ssh refuses what ssh would not reach.
    @Test func nobodyEntersAHostThatIsDownOrNotThere() async throws {
        try await withTemporaryFolder { folder in
            let store = ClusterStore(root: folder.path)
            var state = Self.state()
            state.failedHosts = ["host2"]
            try store.save(state)
            let script = store.folder("a") + "/enter"
            let down = try await run("sh", [script, "host2", "true"])
            #expect(down.exitCode == 255)
            #expect(down.standardError.contains("host2 of the cluster 'a' is down (apus cluster heal host2)"))
            let unknown = try await run("sh", [script, "host20", "true"])
            #expect(unknown.exitCode == 255)
            #expect(unknown.standardError.contains("there is no host 'host20' in the cluster 'a'"))
        }
    }

    @Test func aJobTakesFromItsClusterWhatItDoesNotSay() throws {
        var configuration = ClusterConfiguration(name: "a", hosts: 4)
        configuration.overrides["host4"] = HostSettings()
        configuration.overrides["host4"]?.processors = 1.5
        var state = Self.state()
        state.layout = ClusterLayout(configuration, network: .init(second: 77, third: 1))
        let launch = ClusterLaunch(EmulatedCluster(state: state, store: ClusterStore(root: "/nowhere")))
        #expect(launch.launcherArguments.joined(separator: " ").contains("--mca btl_tcp_if_include 10.77.1.0/24"))
        #expect(launch.hostfile == "/nowhere/a/hostfile")
        var job = try JobConfiguration.load(
            yaml: """
                {name: j, model: {preset: gpt2-tiny}, data: {train: t},
                training: {steps: 1, globalBatchSize: 4, microBatchSize: 1}, parallelism: {data: 2}}
                """, name: "configs/job.yaml")
        let processors = ProcessorCount(hardwareThreads: 8, cores: 4)
        #expect(try launch.adapted(job, ranks: nil, processors: processors).launch.threadsPerRank == 2)
        #expect(try launch.adapted(job, ranks: 4, processors: processors).launch.threadsPerRank == 1)
        #expect(try launch.adapted(job, ranks: nil, processors: processors).launch.controlAddress == "10.77.1.254")
        let tooMany = Self.problem { _ = try launch.adapted(job, ranks: 5, processors: processors) }
        #expect(tooMany.contains("it needs 5 ranks, but the cluster 'a' takes 4"))
        job.launch.threadsPerRank = 3
        job.launch.controlAddress = "10.0.0.1"
        #expect(try launch.adapted(job, ranks: 4, processors: processors).launch == job.launch)
    }

    @Test func wordsSurviveTheShell() { #expect(HostEntry.quoted("it's $HOME") == "'it'\\''s $HOME'") }
}
