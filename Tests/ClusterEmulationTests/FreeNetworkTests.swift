import ClusterEmulation
import JobConfiguration
import Testing

@Suite struct FreeNetworkTests {
    private static func choose(
        _ wanted: ClusterNetwork? = nil, taken: Set<ClusterNetwork> = [], routes: String = ""
    ) throws -> ClusterNetwork {
        try FreeNetwork.choose(wanted, cluster: "a", taken: taken, routes: FreeNetwork.routes(in: routes))
    }

    @Test func destinationsOfRoutesAreRead() {
        let text = """
            default via 192.0.2.1 dev eth0
            10.77.1.0/24 dev apus-77-1 proto kernel scope link src 10.77.1.254
            local 10.77.2.9 dev lo table local proto kernel scope host src 10.77.2.9
            unreachable 10.9.0.0/16
            nonsense 300.1.2.3/99
            """
        #expect(
            FreeNetwork.routes(in: text) == [
                .init(address: 0x0A4D_0100, length: 24), .init(address: 0x0A4D_0209, length: 32),
                .init(address: 0x0A09_0000, length: 16),
            ])
    }

    @Test func theFirstFreeNetworkIsTaken() throws {
        #expect(try Self.choose() == ClusterNetwork(second: 77, third: 1))
        let routes = "10.77.1.0/24 dev x\nlocal 10.77.2.9 dev lo"
        #expect(
            try Self.choose(taken: [ClusterNetwork(second: 77, third: 3)], routes: routes)
                == ClusterNetwork(second: 77, third: 4))
        #expect(try Self.choose(routes: "10.77.0.0/16 dev x") == ClusterNetwork(second: 78, third: 1))
        // Everything is part of a wider network; the cluster's own comes before it.
        #expect(
            try Self.choose(routes: "10.0.0.0/8 dev x\n10.77.1.128/25 dev y") == ClusterNetwork(second: 77, third: 2))
    }

    @Test func aNetworkInUseIsRefused() throws {
        let wanted = ClusterNetwork(second: 1, third: 2)
        #expect(try Self.choose(wanted, routes: "10.0.0.0/8 dev x") == wanted)
        #expect(throws: (any Error).self) { try Self.choose(wanted, routes: "10.1.2.0/24 dev x") }
        #expect(throws: (any Error).self) { try Self.choose(wanted, taken: [wanted]) }
    }
}
