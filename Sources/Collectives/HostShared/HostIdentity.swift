import Foundation
import Numerics

/// Which host this rank is on, the same for every group that it is in.
struct HostIdentity {
    /// Equal for ranks that share memory.
    let identifier: Int
    /// How many of the job's ranks run on the machine.
    let ranksOnMachine: Int

    /// Finds out by asking MPI; every rank of the job must call it.
    ///
    /// `APUS_RANKS_PER_HOST=n` takes every n ranks of a host for a host of their own, so that the way between hosts can
    /// be exercised on one machine.
    init(world: MPIGroup, environment: [String: String]) throws {
        let host = world.splitByHost()
        let firstRank = host.allGather(world.rank)[0]
        var identifier = firstRank
        if let value = environment["APUS_RANKS_PER_HOST"] {
            guard let ranksPerHost = Int(value), ranksPerHost > 0 else {
                throw ApusError(
                    "reading APUS_RANKS_PER_HOST", "expected a positive number, found '\(value)'",
                    remedy: "unset it, unless several hosts are to be emulated on one")
            }
            identifier = firstRank * world.size + host.rank / ranksPerHost
        }
        self.identifier = identifier
        ranksOnMachine = host.size
    }

    /// Whether the machine runs more ranks than it has cores: then a rank that waits must give its core away at once.
    var isOversubscribed: Bool { ranksOnMachine > sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
}

/// How the ranks of one group lie on hosts. Hosts are numbered in the order of their first ranks.
struct HostLayout {
    let hostOfRank: [Int]
    /// The ranks of each host, ascending. A rank's index here is its rank in the host's own group.
    let ranksOfHost: [[Int]]
    /// All ranks, host by host: where a rank's part stands in buffers that travel between hosts.
    let positionOfRank: [Int]

    /// - Parameter identifiers: each rank's `HostIdentity.identifier`.
    init(identifiers: [Int]) {
        var hostOfIdentifier: [Int: Int] = [:]
        var ranksOfHost: [[Int]] = []
        for (rank, identifier) in identifiers.enumerated() {
            let host = hostOfIdentifier[identifier, default: ranksOfHost.count]
            if host == ranksOfHost.count {
                hostOfIdentifier[identifier] = host
                ranksOfHost.append([])
            }
            ranksOfHost[host].append(rank)
        }
        var positionOfRank = Array(repeating: 0, count: identifiers.count)
        for (position, rank) in ranksOfHost.joined().enumerated() { positionOfRank[rank] = position }
        self.ranksOfHost = ranksOfHost
        self.positionOfRank = positionOfRank
        hostOfRank = identifiers.map { hostOfIdentifier[$0]! }
    }

    var hostCount: Int { ranksOfHost.count }

    /// The positions that the ranks of a host take up.
    func positions(ofHost host: Int) -> Range<Int> {
        let first = positionOfRank[ranksOfHost[host][0]]
        return first..<first + ranksOfHost[host].count
    }
}
