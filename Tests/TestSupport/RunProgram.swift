import Foundation
import Numerics
import Subprocess
import SystemPackage

/// A program that a test started and that has not ended yet.
public struct RunningProgram: Sendable {
    public let processIdentifier: Int32
    fileprivate let standardOutputFile: URL
    fileprivate let standardErrorFile: URL

    /// Sends a signal, for example `SIGTERM`.
    public func send(_ signal: Int32) {
        kill(processIdentifier, signal)
    }

    /// What the program has written so far, standard output first.
    public func outputSoFar() throws -> String {
        try text(of: standardOutputFile) + text(of: standardErrorFile)
    }

    /// Returns as soon as the program has ended, or killed it because it did not within `patience`.
    public func killUnlessEnded(within patience: Duration) async throws {
        let deadline = ContinuousClock.now + patience
        while !hasEnded, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(20)) }
        if !hasEnded { send(SIGKILL) }
    }

    private var hasEnded: Bool { !LaunchedProcess.isRunning(processIdentifier) }

    /// Returns as soon as the program has written `text`; throws when it takes longer than `timeout`.
    public func waitForOutput(_ text: String, timeout: Duration = .seconds(60)) async throws {
        let deadline = ContinuousClock.now + timeout
        while try !outputSoFar().contains(text) {
            guard ContinuousClock.now < deadline else {
                throw ApusError(
                    "waiting for the output \"\(text)\"",
                    "it did not come within \(timeout); so far:\n\(try outputSoFar())")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// Runs a program to its end.
///
/// - Parameters:
///   - executable: the name of an executable of this package, or of a program in `PATH`, or a path.
///   - environment: added to (or, with `nil` as value, taken out of) this process's environment.
///   - timeout: after this the program and its whole process group are ended, and an error is thrown that holds the
///     output.
///   - whileRunning: runs beside the program, for tests that send signals or watch its output.
public func run(
    _ executable: String, _ arguments: [String] = [], environment: [String: String?] = [:],
    workingDirectory: URL? = nil, standardInput: String = "", timeout: Duration = .seconds(120),
    whileRunning: (@Sendable (RunningProgram) async throws -> Void)? = nil
) async throws -> ProgramResult {
    let path = try builtExecutable(executable)
    let command = ([executable] + arguments).joined(separator: " ")
    // Files rather than pipes: a program's descendants cannot block on them, and what was written before a timeout is
    // still there to be shown.
    return try await withTemporaryFolder { folder in
        let outputFile = folder.appendingPathComponent("standard-output")
        let errorFile = folder.appendingPathComponent("standard-error")
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [
            .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: .seconds(5)),
            .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1)),
        ]
        var overrides: [Environment.Key: String?] = [:]
        for (name, value) in environment { overrides[Environment.Key(stringLiteral: name)] = value }
        let configuration = Configuration(
            executable: .path(FilePath(path)), arguments: Arguments(arguments),
            environment: .inherit.updating(overrides),
            workingDirectory: workingDirectory.map { FilePath($0.path) }, platformOptions: options)
        let output = try FileDescriptor.open(
            FilePath(outputFile.path), .writeOnly, options: [.create, .append], permissions: .ownerReadWrite)
        let errors = try FileDescriptor.open(
            FilePath(errorFile.path), .writeOnly, options: [.create, .append], permissions: .ownerReadWrite)

        let exitCode = try await withThrowingTaskGroup(of: Int?.self) { group in
            group.addTask {
                let result = try await Subprocess.run(
                    configuration, input: .string(standardInput),
                    output: .fileDescriptor(output, closeAfterSpawningProcess: true),
                    error: .fileDescriptor(errors, closeAfterSpawningProcess: true)
                ) { execution in
                    try await whileRunning?(
                        RunningProgram(
                            processIdentifier: execution.processIdentifier.value, standardOutputFile: outputFile,
                            standardErrorFile: errorFile))
                }
                return switch result.terminationStatus {
                case .exited(let code): Int(code)
                case .signaled(let signal): 128 + Int(signal)
                }
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        let (standardOutput, standardError) = (try text(of: outputFile), try text(of: errorFile))
        guard let exitCode else {
            throw ApusError(
                "running \(command)",
                """
                it did not end within \(timeout)
                -- standard output --
                \(standardOutput)
                -- standard error --
                \(standardError)
                """)
        }
        return ProgramResult(
            command: command, exitCode: exitCode, standardOutput: standardOutput, standardError: standardError)
    }
}

private func text(of file: URL) throws -> String {
    String(decoding: try Data(contentsOf: file), as: UTF8.self)
}
