import Foundation
import TestSupport
import Testing

@Suite struct DoctorTests {
    @Test func everyFindingHasAStatusAndWhatIsWrongACure() async throws {
        let result = try await run("apus", ["doctor", "--json"])
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(result.standardOutput.utf8)) as? [String: Any], "\(result)")
        let findings = try #require(document["findings"] as? [[String: Any]])
        let subjects = findings.compactMap { $0["subject"] as? String }
        for subject in ["processor", "cores", "memory", "matrix products", "MPI", "two ranks"] {
            #expect(subjects.contains(subject), "\(result)")
        }
        for finding in findings {
            let status = try #require(finding["status"] as? String)
            #expect(["ok", "warning", "failed"].contains(status))
            #expect((finding["detail"] as? String)?.isEmpty == false)
            #expect(status == "ok" || (finding["cure"] as? String)?.isEmpty == false, "\(finding)")
        }
        let hasFailed = findings.contains { $0["status"] as? String == "failed" }
        #expect(document["ready"] as? Bool == !hasFailed)
        #expect(result.exitCode == (hasFailed ? 1 : 0))
    }

    @Test func theTextEndsWithAVerdict() async throws {
        let result = try await run("apus", ["doctor"])
        let lines = result.standardOutput.split(separator: "\n")
        let verdict = try #require(lines.last)
        #expect(verdict.hasPrefix("ready") || verdict.hasSuffix("failed"), "\(result)")
        #expect(result.isSuccess == verdict.hasPrefix("ready"))
        #expect(lines.contains { $0.hasPrefix("ok ") && $0.contains("matrix products") }, "\(result)")
    }

    @Test func withoutMPIItSaysWhatToInstall() async throws {
        let result = try await run("apus", ["doctor"], environment: ["PATH": "/nowhere"])
        #expect(result.exitCode == 1, "\(result)")
        #expect(result.standardOutput.contains("failed"))
        #expect(result.standardOutput.contains("openmpi-bin"))
    }

    @Test func anUnknownOptionIsBadInput() async throws {
        let result = try await run("apus", ["doctor", "--quickly"])
        #expect(result.exitCode == 65)
        #expect(result.standardError.contains("--quickly"))
    }
}
