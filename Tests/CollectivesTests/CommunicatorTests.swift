import Foundation
import TestSupport
import Testing

/// What every communicator must do, checked inside jobs of real processes: see Tests/CollectivesScenarios.
@Suite struct CommunicatorTests {
    struct Job: CustomTestStringConvertible, Sendable {
        var ranks: Int
        /// Emulates several hosts on this one.
        var ranksPerHost: Int?
        var implementation = "HostSharedCommunicator"

        var testDescription: String {
            "\(ranks) ranks" + (ranksPerHost.map { ", \($0) on each host" } ?? "")
        }
    }

    /// Every job runs the checks with messages alone and with shared memory, with sizes as they are and with tiny ones.
    @Test(arguments: [
        Job(ranks: 1, implementation: "SingleProcessCommunicator"),
        Job(ranks: 2),
        Job(ranks: 3),
        Job(ranks: 4),
        Job(ranks: 3, ranksPerHost: 2),
        Job(ranks: 4, ranksPerHost: 1, implementation: "MPICommunicator"),
        Job(ranks: 4, ranksPerHost: 2),
        // A host that brings two nodes of the reduction tree, not one.
        Job(ranks: 4, ranksPerHost: 3),
    ])
    func conforms(_ job: Job) async throws {
        let result = try await runDistributed(
            worldSize: job.ranks, program: "collectives-scenarios", arguments: ["conformance"],
            environment: ["APUS_RANKS_PER_HOST": job.ranksPerHost.map(String.init)], timeout: .seconds(300))
        #expect(result.isSuccess, "\(result)")
        #expect(
            result.standardOutput.contains("conformance passed on \(job.ranks) ranks, \(job.implementation)"),
            "\(result)")
    }

    @Test func isAGroupOfOneWithoutALauncher() async throws {
        let result = try await run("collectives-scenarios", ["conformance"])
        #expect(result.isSuccess, "\(result)")
        #expect(result.standardOutput == "conformance passed on 1 ranks, SingleProcessCommunicator\n")
    }

    @Test func environmentChoosesTheImplementation() async throws {
        for (value, implementation) in [("mpi", "MPICommunicator"), ("shared", "HostSharedCommunicator")] {
            let result = try await runDistributed(
                worldSize: 2, program: "collectives-scenarios", arguments: ["describe"],
                environment: ["APUS_COLLECTIVES": value])
            #expect(result.isSuccess, "\(result)")
            #expect(result.standardOutput.contains("rank 1 of 2: \(implementation)"), "\(result)")
        }
    }
}
