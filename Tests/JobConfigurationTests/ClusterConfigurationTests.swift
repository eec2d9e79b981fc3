import Foundation
import JobConfiguration
import TestSupport
import Testing

@Suite struct ClusterConfigurationTests {
    private static let sample = """
        name: sample
        hosts: 4
        racks: 2
        network: 10.1.2.0/24
        host: {slots: 2, bandwidth: 1gbit, latency: 500us, loss: 0.1%, memory: 1GiB}
        uplink: {bandwidth: 100mbit}
        overrides:
          host3: {bandwidth: unlimited, processors: 0.5}
        optional: [latency, loss]
        """

    private static func load(_ yaml: String) throws -> ClusterConfiguration {
        try ClusterConfiguration.load(yaml: yaml, name: "c.yaml")
    }

    private static func problems(_ yaml: String) -> [String] {
        do {
            _ = try load(yaml)
            return []
        } catch let error as JobError {
            return error.problems.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }

    @Test func everyKeyIsRead() throws {
        let cluster = try Self.load(Self.sample)
        #expect(cluster.name == "sample")
        #expect(cluster.hosts == 4)
        #expect(cluster.racks == 2)
        #expect(cluster.network == ClusterNetwork(second: 1, third: 2))
        #expect(cluster.uplink.bandwidth == Bandwidth(bitsPerSecond: 100_000_000))
        #expect(cluster.optional == [.latency, .loss])
        let first = cluster.settings(of: "host1")
        #expect(first.slots == 2)
        #expect(first.processors == nil)
        #expect(first.memory == MemoryLimit(bytes: 1 << 30))
        #expect(first.link.bandwidth == Bandwidth(bitsPerSecond: 1_000_000_000))
        #expect(first.link.latency == Latency(microseconds: 500))
        #expect(first.link.loss == Loss(percent: 0.1))
        let third = cluster.settings(of: "host3")
        #expect(third.link.bandwidth == .unlimited)
        #expect(third.link.latency == Latency(microseconds: 500))
        #expect(third.processors == 0.5)
    }

    @Test func whatIsPrintedLoadsToTheSame() throws {
        for yaml in [Self.sample, "{name: a, hosts: 1}"] {
            let cluster = try Self.load(yaml)
            #expect(try Self.load(cluster.yaml) == cluster)
        }
    }

    @Test func theExamplesAreRight() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../configs/clusters"
        ).standardizedFileURL
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        #expect(files.count >= 6)
        for file in files {
            let cluster = try ClusterConfiguration.load(path: folder.appendingPathComponent(file).path)
            #expect(cluster.name + ".yaml" == file)
        }
    }

    @Test(arguments: [
        (
            "name: a",
            ["c.yaml:1:1: hosts is missing\n  → add it: 'hosts' is the number of hosts, called host1, host2, …"]
        ),
        (
            "name: a\nhosts: 2\nbandwidth: 1gbit",
            ["c.yaml:3:1: unknown key 'bandwidth' at the top level\n  → did you mean 'host.bandwidth'?"]
        ),
        (
            "name: a\nhosts: 2\nhost: {bandwith: 1gbit}",
            ["c.yaml:3:8: unknown key 'bandwith' in 'host'\n  → did you mean 'bandwidth'?"]
        ),
        (
            "name: a\nhosts: 2\nhost: {bandwidth: 1 Gb/s}",
            [
                "c.yaml:3:19: host.bandwidth: expected a rate from 8kbit to 1tbit such as 100mbit or 2.5gbit, or "
                    + "'unlimited', found '1 Gb/s'\n  → 'host.bandwidth' is the rate of each direction of the host's link "
                    + "to its switch"
            ]
        ),
        (
            "name: a\nhosts: 2\nracks: 3",
            ["c.yaml:3:1: there are 3 racks for 2 hosts\n  → set racks to at most 2"]
        ),
        (
            "name: a\nhosts: 2\nuplink: {bandwidth: 1gbit}",
            [
                "c.yaml:3:1: there is an uplink, but only one rack\n  → set racks to 2 or more, or remove uplink"
            ]
        ),
        (
            "name: a\nhosts: 2\noverrides: {hots2: {}}",
            ["c.yaml:3:13: there is no host 'hots2'\n  → did you mean 'host2'?"]
        ),
        (
            "- 1",
            [
                "c.yaml:1:1: the cluster: expected a section with keys of its own, found a list\n"
                    + "  → write its keys on lines of their own below it, each as 'key: value' and indented alike"
            ]
        ),
    ])
    func mistakesAreExplained(yaml: String, expected: [String]) { #expect(Self.problems(yaml) == expected) }

    @Test(arguments: [
        "name: Big", "name: a.b", "name: -a", "name: ''", "name: \(String(repeating: "a", count: 33))", "hosts: 0",
        "hosts: 201", "hosts: many", "racks: 0", "network: 10.1.2.3/24", "network: 10.256.2.0/24",
        "network: 192.168.1.0/24", "host: {slots: 0}", "host: {processors: 0}", "host: {processors: nan}",
        "host: {memory: 1KiB}", "host: {memory: 100TiB}", "host: {memory: 1}", "host: {bandwidth: 0mbit}",
        "host: {bandwidth: 1}", "host: {bandwidth: -1mbit}", "host: {bandwidth: 1e3mbit}", "host: {bandwidth: 1Mbit}",
        "host: {bandwidth: .mbit}", "host: {bandwidth: [1gbit]}", "host: {latency: 11s}", "host: {latency: 5}",
        "host: {loss: 100%}", "host: {loss: 1}", "host: {loss: -1%}", "overrides: {host9: {}}", "overrides: [host1]",
        "overrides: {host1: 5}", "optional: [speed]", "optional: {latency: true}", "host: fast",
        "host: {bandwidth: 99999999999999999999999gbit}",
    ])
    func wrongValuesAreRefused(line: String) {
        let key = line.prefix { $0 != ":" }
        let others = ["name: a", "hosts: 4"].filter { !$0.hasPrefix(key + ":") }
        let found = Self.problems((others + [line]).joined(separator: "\n"))
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains("\n  → ") == true, "\(found)")
    }

    @Test(arguments: [
        ("100mbit", "100mbit"), ("2.5gbit", "2500mbit"), ("8kbit", "8kbit"), ("1tbit", "1tbit"),
        ("unlimited", "unlimited"),
    ])
    func ratesAreReadAndWritten(text: String, written: String) {
        #expect(Bandwidth(text)?.description == written)
    }

    private static let words = [
        "*a", "&a ", "{", "}", "[", "]", "1gbit", "host9", "%", ": ", "\n", "overrides", "~", "\0",
    ]

    @Test func anyBytesAreAClusterOrRefused() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("cluster.yaml").path
            let taken = try fuzz(
                "cluster", samples: [Array(Self.sample.utf8)], words: Self.words, isRefusal: { $0 is JobError }
            ) {
                try replaceFile(path, $0)
                let cluster = try ClusterConfiguration.load(path: path)
                #expect(try Self.load(cluster.yaml) == cluster)
            }
            #expect(taken > 0)
        }
    }
}
