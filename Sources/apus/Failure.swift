import ArgumentParser
import Foundation
import JobConfiguration
import Numerics

/// The one place where an error becomes text on standard error and an exit status; subcommands just throw.
enum Failure {
    /// Runs a command line and ends the process with the status its outcome calls for.
    static func reportingRun<Root: ParsableCommand>(of root: Root.Type) async {
        do {
            var command = try root.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            report(error, from: root)
        }
    }

    /// Prints `error: …` lines, or the help that was asked for, and exits.
    private static func report<Root: ParsableCommand>(_ error: any Error, from root: Root.Type) -> Never {
        if let error = error as? ApusError {
            exit(with: ExitStatus(error), explaining: ["\(error)"])
        }
        if let error = error as? JobError {
            exit(with: .badInput, explaining: error.problems.map(\.description))
        }
        if let code = error as? ExitCode { Foundation.exit(code.rawValue) }
        let code = root.exitCode(for: error)
        if code.isSuccess { root.exit(withError: error) }
        // What ArgumentParser has to say about the command line: the message, then the usage.
        var message = root.fullMessage(for: error)
        if message.hasPrefix("Error: ") { message.removeFirst("Error: ".count) }
        exit(with: code == .validationFailure ? .badInput : .failure, explaining: [message])
    }

    private static func exit(with status: ExitStatus, explaining messages: [String]) -> Never {
        let text = messages.map { "error: \($0)\n" }.joined()
        FileHandle.standardError.write(Data(text.utf8))
        Foundation.exit(status.rawValue)
    }
}

extension ExitCode {
    /// Ends a subcommand with a status and no further words: `throw ExitCode(.stopped)`.
    init(_ status: ExitStatus) { self.init(status.rawValue) }
}
