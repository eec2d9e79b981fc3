import ArgumentParser
import ClusterEmulation
import JobConfiguration

extension ClusterCommand {
    struct Fail: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a host go down, or cut a link, while jobs run.",
            discussion: """
                host2 is the host itself, with all that runs on it; host2.link is its cable alone, and rack1.uplink what \
                joins a rack to the others.
                """)

        @Argument(help: "host2, host2.link or rack1.uplink.")
        var target: String
        @OptionGroup var option: ClusterOption

        func run() async throws { try await EmulatedCluster.fail(target, of: option.cluster) }
    }

    struct Heal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring a host or link back to what its document says; without a name, everything.")

        @Argument(help: "host2, host2.link or rack1.uplink.")
        var target: String?
        @OptionGroup var option: ClusterOption

        func run() async throws { try await EmulatedCluster.heal(target, of: option.cluster) }
    }

    struct Degrade: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a link while jobs run; what is not given stays as it is.")

        @Argument(help: "host2 or host2.link for the host's link, or rack1.uplink.")
        var target: String
        @Option(help: "The rate of each direction, such as 10mbit, or unlimited.") var bandwidth: Bandwidth?
        @Option(help: "The time on the link, such as 5ms.") var latency: Latency?
        @Option(help: "The share of packets that is lost, such as 0.5%.") var loss: Loss?
        @OptionGroup var option: ClusterOption

        func validate() throws {
            if bandwidth == nil, latency == nil, loss == nil {
                throw ValidationError("say what changes: --bandwidth 10mbit, --latency 5ms or --loss 0.5%")
            }
        }

        func run() async throws {
            try await EmulatedCluster.degrade(
                target, of: option.cluster,
                to: LinkSettings(bandwidth: bandwidth, latency: latency, loss: loss))
        }
    }
}

extension Bandwidth: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
extension Latency: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
extension Loss: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
