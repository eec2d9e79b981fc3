/// What a program left behind.
public struct ProgramResult: Sendable, CustomStringConvertible {
    public let command: String
    /// The exit code, or 128 + the signal's number when a signal ended the program, as a shell says it.
    public let exitCode: Int
    public let standardOutput: String
    public let standardError: String

    public var isSuccess: Bool { exitCode == 0 }

    /// Both streams, for tests that do not care which one holds a message.
    public var output: String { standardOutput + standardError }

    /// What a failing expectation should show.
    public var description: String {
        """
        \(command)
        exit code \(exitCode)
        -- standard output --
        \(standardOutput)
        -- standard error --
        \(standardError)
        """
    }
}
