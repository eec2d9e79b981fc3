import Diagnostics
import Foundation
import Kernels
import Numerics
import Testing

@Suite struct ArithmeticChecksTests {
    @Test func wrongProductsFail() {
        let finding = ArithmeticChecks.products {
            throw ApusError("checking", "a product is wrong", remedy: "change it")
        }
        #expect(finding == Finding("matrix products", .failed, "a product is wrong", cure: "change it"))
        #expect(ArithmeticChecks.products {}.status == .ok)
    }

    @Test func slowProductsAreWarnedOf() {
        let fast = ArithmeticChecks.speed(.init(productGFLOPs: 160, peakGFLOPs: 183))
        #expect(fast.status == .ok)
        #expect(fast.detail == "160 GFLOP/s in products, 87% of 183 fused multiply-add peak")
        let slow = ArithmeticChecks.speed(.init(productGFLOPs: 33, peakGFLOPs: 183))
        #expect(slow.status == .warning)
        #expect(slow.cure?.contains("built for this processor") == true)
    }
}

@Suite struct MPIChecksTests {
    private let library = "Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022"

    @Test func launcherAndLibraryMustBeOfOneVersion() {
        #expect(MPIChecks.version(launcher: "mpirun (Open MPI) 4.1.4", library: library).status == .ok)
        let other = MPIChecks.version(launcher: "mpirun (Open MPI) 5.0.2", library: library)
        #expect(other.status == .failed)
        #expect(other.cure?.contains("PATH") == true)
        #expect(MPIChecks.version(launcher: "HYDRA build details: Version: 4.1.4", library: library).status == .failed)
    }

    @Test func aMissingLauncherFailsWithTheCure() async {
        let findings = await MPIChecks.all(probe: ["/bin/true"], environment: ["PATH": "/nowhere"])
        #expect(findings.count == 1)
        #expect(findings[0].status == .failed)
        #expect(findings[0].cure?.contains("apt install openmpi-bin") == true)
    }

    @Test func theRoundTripIsJudged() {
        let good = MPIProbe.Result(latencyMicroseconds: 0.6, sharedWindowGBs: 12.3, libraryVersion: library)
        #expect(MPIChecks.roundTrip(.result(good)).status == .ok)
        #expect(MPIChecks.roundTrip(.result(good)).detail == "0.6 µs for a message, 12.3 GB/s from shared memory")
        var slow = good
        slow.latencyMicroseconds = 5_000
        #expect(MPIChecks.roundTrip(.result(slow)).status == .warning)
        #expect(MPIChecks.roundTrip(.timeout).status == .failed)
        let failure = MPIChecks.roundTrip(.failure(exitCode: 3, words: "no way"))
        #expect(failure.status == .failed)
        #expect(failure.detail.contains("exit code 3: no way"))
    }

    /// A real `mpirun` of programs that are no probes.
    @Test func aProbeThatFailsIsAFinding() async {
        let findings = await MPIChecks.all(probe: ["/bin/false"])
        #expect(findings.map(\.status) == [.ok, .failed])
        #expect(await MPIChecks.all(probe: ["/bin/true"]).last?.status == .failed)
    }

    @Test func theLibraryNamesItself() {
        #expect(MPIProbe.libraryVersion.hasPrefix("Open MPI v"))
    }
}

@Suite struct ExaminationTests {
    private let findings = [
        Finding("memory", .ok, "20 GiB"), Finding("cores", .warning, "one", cure: "more"),
        Finding("MPI", .failed, "none", cure: "install it"),
    ]

    @Test func everyFindingIsALineWithItsCure() {
        let text = Examination(findings: findings).text
        #expect(text.contains("ok       memory               20 GiB\n"))
        #expect(text.contains("→ install it"))
        #expect(text.hasSuffix("1 failed"))
        #expect(Examination(findings: Array(findings.prefix(2))).text.hasSuffix("ready, with a warning"))
        #expect(Examination(findings: Array(findings.prefix(1))).text.hasSuffix("ready"))
    }

    @Test func onlyAFailureMakesAHostUnfit() {
        #expect(Examination(findings: findings).hasFailed)
        #expect(!Examination(findings: Array(findings.prefix(2))).hasFailed)
    }

    @Test func theJSONHoldsAll() throws {
        let object = try JSONSerialization.jsonObject(with: Data(Examination(findings: findings).json.utf8))
        let document = try #require(object as? [String: Any])
        #expect(document["ready"] as? Bool == false)
        let listed = try #require(document["findings"] as? [[String: String]])
        #expect(listed.map { $0["subject"] } == ["memory", "cores", "MPI"])
        #expect(listed[2]["cure"] == "install it")
        #expect(listed[2]["status"] == "failed")
    }
}
