import Foundation
import Numerics
import Subprocess
import SystemPackage

/// Runs the programs that make and change clusters.
enum SystemCommands {
    struct Result: Sendable {
        var isSuccess: Bool
        var output: String
        /// What the program said on standard error.
        var words: String
    }

    /// - Throws: `ApusError` where the program is not installed.
    static func attempt(_ words: [String]) async throws -> Result {
        // Some shells leave the folders of system programs out.
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
        do {
            let result = try await Subprocess.run(
                .name(words[0]), arguments: Arguments(Array(words.dropFirst())),
                environment: .inherit.updating(["PATH": path]), output: .string(limit: 1 << 22),
                error: .string(limit: 1 << 16))
            return Result(
                isSuccess: result.terminationStatus.isSuccess, output: result.standardOutput,
                words: result.standardError.trimmingCharacters(in: .whitespacesAndNewlines))
        } catch let error as SubprocessError where error.code == .executableNotFound {
            throw ApusError(
                "running \(words[0])", "there is no such program here",
                remedy: "install it with launch/install, or: apt install iproute2 util-linux", kind: .runtime)
        } catch {
            throw ApusError("running \(words.joined(separator: " "))", "\(error)", kind: .runtime)
        }
    }

    /// - Throws: `ApusError` with the command, what it said, and what to do about it.
    @discardableResult
    static func run(_ words: [String]) async throws -> String {
        let result = try await attempt(words)
        guard result.isSuccess else { throw failure(of: words, saying: result.words) }
        return result.output
    }

    static func failure(of words: [String], saying text: String) -> ApusError {
        let remedy: String? =
            if text.contains("Operation not permitted") || text.contains("Permission denied") {
                "root may not do this here; a container needs the capabilities NET_ADMIN and SYS_ADMIN for it"
            } else if text.contains("qdisc kind is unknown") {
                "this kernel lacks it; try 'modprobe sch_\(words.contains("netem") ? "netem" : "tbf")'"
            } else if text.contains("Unknown device type") || text.contains("Operation not supported") {
                "this kernel lacks virtual links or bridges; try 'modprobe -a veth bridge'"
            } else {
                nil
            }
        return ApusError(
            words.joined(separator: " "), text.isEmpty ? "it failed without a word" : text, remedy: remedy,
            kind: .runtime)
    }

    static func perform(_ action: SystemAction) async throws {
        switch action {
        case .run(let words): try await run(words)
        case .makeGroup(let folder):
            guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw groupFailure("making", folder) }
        case .write(let text, let path):
            let file = open(path, O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { throw groupFailure("setting", path) }
            defer { close(file) }
            guard text.withCString({ write(file, $0, strlen($0)) }) == text.utf8.count else {
                throw groupFailure("writing \(text) to", path)
            }
        }
    }

    private static func groupFailure(_ verb: String, _ path: String) -> ApusError {
        ApusError(
            "\(verb) \(path)", String(cString: strerror(errno)),
            remedy: "control groups must be writable here, as they are not in most containers; without them, write "
                + "'optional: [processors, memory]' into the document",
            kind: .runtime)
    }
}
