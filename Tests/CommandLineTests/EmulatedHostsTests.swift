import Foundation
import TestSupport
import Testing

/// `launch/emulated-hosts`: only what needs no root is tested.
@Suite struct EmulatedHostsTests {
    private static var script: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../launch/emulated-hosts"
        ).standardizedFileURL.path
    }

    @Test(arguments: [
        (["--bandwidth", "fast", "true"], "--bandwidth wants a rate, found 'fast'"),
        (["--hosts", "0", "true"], "--hosts wants a number from 1 to 99, found '0'"),
        (["--ranks-per-host"], "--ranks-per-host wants a number from 1 to 99, found ''"),
        (["--speed", "1"], "unknown argument '--speed'"), (["--hosts", "3"], "there is no command to run"),
    ])
    func wrongArgumentsAreNamed(arguments: [String], message: String) async throws {
        let result = try await run("bash", [Self.script] + arguments)
        #expect(result.exitCode == 65)
        #expect(result.standardError.contains("error: \(message)"), "\(result)")
        #expect(result.standardError.contains("  → "))
    }
}
