import Foundation
import JobConfiguration
import Numerics
import Supervision

/// At which of this host's addresses the workers reach their coordinator: loopback where all are on this host, otherwise
/// the one that faces them, and no other.
package enum ControlRoute {
    /// What workers on other hosts must be given of the coordinator's environment.
    static func variables(_ job: JobConfiguration) -> [String] {
        [ControlAddress.variable, ControlSecret.variable] + (job.launch.walltimeSeconds > 0 ? ["APUS_DEADLINE"] : [])
    }

    static func host(
        job: JobConfiguration, allocation: Allocation,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> String {
        if let address = job.launch.controlAddress { return address }
        if allocation.isOnThisHostAlone { return ControlAddress.loopback }
        let here = ProcessInfo.processInfo.hostName
        let hosts =
            switch allocation {
            case .local: [String]()
            case .hosts(let hostfile): hostfile.hosts.map(\.name)
            case .slurm: slurmNodes(environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"] ?? "")
            }
        let others = hosts.filter {
            $0 != here && $0 != "localhost" && $0.prefix { $0 != "." } != here.prefix { $0 != "." }
        }
        guard let other = others.first else { return ControlAddress.loopback }
        guard let address = ControlAddress.facing(other) else {
            throw ApusError(
                "choosing the address at which workers reach the coordinator", "the host \(other) has no IPv4 address",
                remedy: "correct its name, or set launch.controlAddress to an address of this host")
        }
        return address
    }

    /// The nodes of a list as Slurm writes it: `gpu1,node[01-03,7]`.
    package static func slurmNodes(_ list: String) -> [String] {
        var nodes: [String] = []
        for match in list.matches(of: /([^,\[\]]+)(?:\[([^\]]*)\])?/) {
            guard let ranges = match.2 else {
                nodes.append(String(match.1))
                continue
            }
            for range in ranges.split(separator: ",") {
                let ends = range.split(separator: "-")
                guard let first = ends.first, let from = Int(first), let to = Int(ends.last!), from <= to,
                    to - from < 1 << 20
                else { continue }
                for number in from...to {
                    let digits = String(number)
                    nodes.append(match.1 + String(repeating: "0", count: max(0, first.count - digits.count)) + digits)
                }
            }
        }
        return nodes
    }
}
