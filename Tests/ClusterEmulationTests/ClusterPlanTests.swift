import ClusterEmulation
import JobConfiguration
import Testing

/// What is done to the machine, as data; nothing is done here.
@Suite struct ClusterPlanTests {
    private static let groups = ControlGroups(
        processors: .init(version: .one, root: "/cpu"), memory: .init(version: .two, root: "/both"))

    private static func layout(_ yaml: String) throws -> ClusterLayout {
        ClusterLayout(try ClusterConfiguration.load(yaml: yaml, name: "c.yaml"), network: .init(second: 77, third: 3))
    }

    private static func lines(_ actions: [SystemAction]) -> [String] {
        actions.map { action in
            switch action {
            case .run(let words): words.joined(separator: " ")
            case .makeGroup(let folder): "mkdir \(folder)"
            case .write(let text, let path): "echo \(text) > \(path)"
            }
        }
    }

    @Test func aClusterWithOneSwitch() throws {
        let layout = try Self.layout(
            "{name: a, hosts: 1, host: {bandwidth: 1gbit, processors: 0.5, memory: 64MiB}}")
        #expect(
            Self.lines(ClusterPlan.creation(of: layout, groups: Self.groups)) == [
                "ip netns add apus.a.switch",
                "ip -n apus.a.switch link add rack1 type bridge",
                "ip -n apus.a.switch link set rack1 up",
                "ip link add apus-77-3 type veth peer name control netns apus.a.switch",
                "ip -n apus.a.switch link set control master rack1 up",
                "ip address add 10.77.3.254/24 dev apus-77-3",
                "ip link set apus-77-3 up",
                "ip netns add apus.a.host1",
                "ip -n apus.a.host1 link set lo up",
                "ip -n apus.a.switch link add host1 type veth peer name eth0 netns apus.a.host1",
                "ip -n apus.a.switch link set host1 master rack1 up",
                "ip -n apus.a.host1 address add 10.77.3.1/24 dev eth0",
                "ip -n apus.a.host1 link set eth0 up",
                "mkdir /cpu/apus.a.host1",
                "echo 10000 > /cpu/apus.a.host1/cpu.cfs_period_us",
                "echo 5000 > /cpu/apus.a.host1/cpu.cfs_quota_us",
                "echo +memory > /both/cgroup.subtree_control",
                "mkdir /both/apus.a.host1",
                "echo 67108864 > /both/apus.a.host1/memory.max",
                "tc -n apus.a.switch qdisc add dev host1 root handle 10: tbf rate 1000000000bit burst 131072b latency 50ms",
                "tc -n apus.a.host1 qdisc add dev eth0 root handle 10: tbf rate 1000000000bit burst 131072b latency 50ms",
            ])
    }

    @Test func racksHaveSwitchesOfTheirOwnAndUplinks() throws {
        let layout = try Self.layout("{name: a, hosts: 5, racks: 2, uplink: {bandwidth: 100mbit}}")
        #expect(layout.hosts.map(\.rack) == [1, 1, 1, 2, 2])
        let lines = Self.lines(ClusterPlan.creation(of: layout, groups: ControlGroups()))
        let switchLines = [
            "link add core type bridge", "link add up2 type veth peer name down2", "link set up2 master rack2 up",
            "link set down2 master core up", "link set control master core up", "link set host3 master rack1 up",
            "link set host4 master rack2 up",
        ]
        for line in switchLines { #expect(lines.contains("ip -n apus.a.switch \(line)"), "\(line)") }
        let shaped = lines.filter { $0.hasPrefix("tc") }
        #expect(shaped.count == 4)
        #expect(shaped.allSatisfy { $0.contains("rate 100000000bit burst 131072b") })
    }

    @Test func latencyAndLossComeBeforeTheBucket() {
        let shape = LinkShape(bitsPerSecond: 10_000_000_000, latencyMicroseconds: 2500, lossPercent: 0.5)
        #expect(
            shape.commands(device: "eth0", namespace: "n").map { $0.joined(separator: " ") } == [
                "tc -n n qdisc add dev eth0 root handle 1: netem limit 100000 delay 2500us loss 0.5%",
                "tc -n n qdisc add dev eth0 parent 1:1 handle 10: tbf rate 10000000000bit burst 1250000b latency 50ms",
            ])
        #expect(shape.words == "10gbit, 2500us, 0.5% lost")
        #expect(LinkShape().commands(device: "eth0", namespace: "n").isEmpty)
    }

    @Test func linksAreCutAndShapedAnew() throws {
        let layout = try Self.layout("{name: a, hosts: 2, racks: 2}")
        let target = try layout.target("rack2.uplink")
        #expect(target == .link(.uplink(rack: 2)))
        #expect(
            Self.lines(ClusterPlan.connecting(target.link, false, in: layout)) == [
                "ip -n apus.a.switch link set up2 down"
            ])
        let host = try layout.target("host2")
        #expect(
            Self.lines(ClusterPlan.unshaping(host.link, in: layout)) == [
                "tc -n apus.a.switch qdisc delete dev host2 root", "tc -n apus.a.host2 qdisc delete dev eth0 root",
            ])
        #expect(try layout.target("host1.link") == .link(.host(layout.hosts[0])))
        let error = #expect(throws: (any Error).self) { try layout.target("host3") }
        #expect("\(String(describing: error))".contains("the hosts are host1 to host2"))
        #expect("\(String(describing: error))".contains("rack1.uplink to rack2.uplink"))
    }

    /// The kernel refuses longer names than 15 bytes.
    @Test func namesOfDevicesAreShortEnough() throws {
        var configuration = ClusterConfiguration(name: String(repeating: "n", count: 32), hosts: 200)
        configuration.racks = 200
        let layout = ClusterLayout(configuration, network: .init(second: 255, third: 255))
        let devices = layout.links.flatMap { layout.ends(of: $0).map(\.device) } + [layout.controlInterface]
        #expect(devices.allSatisfy { $0.utf8.count <= 15 })
        #expect(Set(layout.hosts.map(\.address)).count == 200)
        #expect(!layout.hosts.map(\.address).contains(layout.coordinatorAddress))
    }

    @Test func namespacesOfOneClusterAreNotAnothers() {
        #expect(ClusterLayout.cluster(of: "apus.a-b.host1") == "a-b")
        #expect(!"apus.a-b.host1".hasPrefix(ClusterLayout.prefix(of: "a")))
        #expect(ClusterLayout.cluster(of: "apus.switch") == nil)
        #expect(ClusterLayout.cluster(of: "docker0") == nil)
    }

    @Test func whatIsMissingIsLeftOut() throws {
        let layout = try Self.layout(
            "{name: a, hosts: 1, host: {bandwidth: 1gbit, latency: 1ms, loss: 1%, processors: 1, memory: 1GiB}}")
        #expect(layout.features == Set(ClusterFeature.allCases))
        for feature in ClusterFeature.allCases {
            #expect(layout.without([feature]).features == Set(ClusterFeature.allCases).subtracting([feature]))
        }
    }

    @Test func controlGroupsOfEitherVersionAreFound() {
        let mounts = """
            cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpuacct,cpu 0 0
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
            proc /proc proc rw 0 0
            broken
            """
        let mixed = ControlGroups(mounts: mounts) { _ in "memory hugetlb\n" }
        #expect(mixed.processors == .init(version: .one, root: "/sys/fs/cgroup/cpu,cpuacct"))
        #expect(mixed.memory == .init(version: .two, root: "/sys/fs/cgroup/unified"))
        #expect(mixed.missing.isEmpty)
        let two = ControlGroups(mounts: "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0") { _ in "cpu memory" }
        #expect(two.folders("g") == ["/sys/fs/cgroup/g"])
        #expect(
            Self.lines(two.limiting("g", processors: 1.5, memory: nil)) == [
                "echo +cpu > /sys/fs/cgroup/cgroup.subtree_control", "mkdir /sys/fs/cgroup/g",
                "echo 15000 10000 > /sys/fs/cgroup/g/cpu.max",
            ])
        let none = ControlGroups(mounts: "proc /proc proc rw 0 0") { _ in "cpu" }
        #expect(none.missing == [.processors, .memory])
        #expect(none.limiting("g", processors: 1, memory: 1 << 30).isEmpty)
    }
}
