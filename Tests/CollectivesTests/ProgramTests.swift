import Foundation
import Numerics
import TestSupport
import Testing

/// The test helpers that start programs: a helper that hides a failure would hide it for every test that uses it.
@Suite struct ProgramTests {
    @Test func reportsOutputAndExitCode() async throws {
        let result = try await run("sh", ["-c", "cat; echo out; echo error >&2; exit 7"], standardInput: "in\n")
        #expect(result.exitCode == 7)
        #expect(result.standardOutput == "in\nout\n")
        #expect(result.standardError == "error\n")
    }

    @Test func reportsSignalsAsAShellDoes() async throws {
        let result = try await run("sh", ["-c", "kill -KILL $$"])
        #expect(result.exitCode == 137)
    }

    @Test func endsAProgramThatTakesTooLong() async throws {
        let error = await #expect(throws: ApusError.self) {
            try await run("sh", ["-c", "echo before; sleep 1000"], timeout: .seconds(1))
        }
        #expect(error?.problem.contains("before") == true)
    }

    @Test func passesSignalsOn() async throws {
        let script = "trap 'echo caught; exit 3' TERM; echo ready; while true; do sleep 0.05; done"
        let result = try await run("sh", ["-c", script]) { program in
            try await program.waitForOutput("ready")
            program.send(SIGTERM)
        }
        #expect(result.exitCode == 3)
        #expect(result.standardOutput == "ready\ncaught\n")
    }

    @Test func namesAMissingProgram() async throws {
        let error = await #expect(throws: ApusError.self) { try await run("no-such-program") }
        #expect(error?.operation == "finding the program no-such-program")
    }

    @Test func mpirunPassesExitCodesOn() async throws {
        let result = try await runDistributed(
            worldSize: 2, program: "/bin/sh", arguments: ["-c", "echo rank $OMPI_COMM_WORLD_RANK; exit 5"])
        #expect(result.exitCode == 5)
        #expect(result.standardOutput.contains("rank 1"), "\(result)")
    }
}
