import Foundation
import Numerics

/// Which host each rank of a group is on. Hosts are numbered in the order of their first ranks.
public struct HostRoll: Sendable {
    public let hostOfRank: [Int]
    /// Each host's name.
    public let names: [String]

    /// Asks all ranks; collective over `communicator`.
    ///
    /// `APUS_RANKS_PER_HOST=n` takes every n ranks of a host for a host of their own, which gets a number after its name.
    public init(_ communicator: any Communicator) {
        let reports = communicator.gatherToAll(Array(Self.hostName.utf8), label: "names of the hosts")
        let ranksPerHost = ProcessInfo.processInfo.environment["APUS_RANKS_PER_HOST"].flatMap(Int.init) ?? 0
        self.init(
            hostOfRank: reports.map { String(decoding: $0, as: UTF8.self) }, pretendedRanksPerHost: ranksPerHost)
    }

    /// - Parameters:
    ///   - hostOfRank: each rank's host, by its name.
    ///   - pretendedRanksPerHost: 0 where hosts are what they are.
    package init(hostOfRank reports: [String], pretendedRanksPerHost: Int = 0) {
        var ranksSeen: [String: Int] = [:]
        var names: [String] = []
        hostOfRank = reports.map { host in
            let index = ranksSeen[host, default: 0]
            ranksSeen[host] = index + 1
            let name = pretendedRanksPerHost > 0 ? "\(host)-\(index / pretendedRanksPerHost)" : host
            if let known = names.firstIndex(of: name) { return known }
            names.append(name)
            return names.count - 1
        }
        self.names = names
    }

    /// The ranks of a host, ascending.
    public func ranks(ofHost host: Int) -> [Int] { hostOfRank.indices.filter { hostOfRank[$0] == host } }

    /// This process's host.
    public static var hostName: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name in
            name.initialize(repeating: 0)
            gethostname(name.baseAddress!, name.count - 1)
            return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
