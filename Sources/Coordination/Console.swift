import Observability

/// Where the coordinator's words go.
public struct Console: Sendable {
    var writeOutput: @Sendable (String) -> Void
    var writeError: @Sendable (String) -> Void
    /// Columns of the terminal behind the output; nil when it is none.
    var terminalWidth: @Sendable () -> Int?

    public init(
        writeOutput: @escaping @Sendable (String) -> Void, writeError: @escaping @Sendable (String) -> Void,
        terminalWidth: @escaping @Sendable () -> Int?
    ) {
        self.writeOutput = writeOutput
        self.writeError = writeError
        self.terminalWidth = terminalWidth
    }

    /// Writes a line of words.
    public func tell(_ words: String) { writeOutput(words + "\n") }

    /// Standard output and standard error.
    public static let standard = Console(
        writeOutput: { StandardStream.write($0, to: StandardStream.output) },
        writeError: { StandardStream.write($0, to: StandardStream.error) },
        terminalWidth: {
            StandardStream.isTerminal(StandardStream.output)
                ? StandardStream.terminalWidth(StandardStream.output) ?? 80 : nil
        })
}
