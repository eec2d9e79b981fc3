/// Turns a run's events into the text that a person watches: on a terminal one line that is rewritten every step, with
/// everything worth keeping scrolling above it; elsewhere plain lines.
///
/// Pure: `render` returns what to write, so that it is the same for the coordinator and for rank 0 without one.
public struct ProgressRenderer: Sendable {
    /// Columns of the terminal that the text goes to; nil for a file or pipe. May change at any time.
    public var terminalWidth: Int?

    private var progressLine = ""

    public init(terminalWidth: Int?) {
        self.terminalWidth = terminalWidth
    }

    /// The text to write for an event, control characters and line feeds included.
    public mutating func render(_ event: RunEvent) -> String {
        guard let terminalWidth else {
            return EventText.lines(event).map { $0 + "\n" }.joined()
        }
        if case .step(let metrics) = event {
            progressLine = EventText.progress(metrics, width: terminalWidth - 1)
            return Self.eraseLine + progressLine
        }
        if event.endsProgress {
            return clear() + EventText.lines(event).map { $0 + "\n" }.joined()
        }
        return above(EventText.lines(event))
    }

    /// The text to write for a line that is no event, such as a worker's own words.
    public mutating func render(words: String) -> String { above([words]) }

    /// Takes the rewriting line away, as after the last event or before an error message.
    public mutating func clear() -> String {
        defer { progressLine = "" }
        return progressLine.isEmpty ? "" : Self.eraseLine
    }

    private func above(_ lines: [String]) -> String {
        let text = lines.map { $0 + "\n" }.joined()
        return progressLine.isEmpty ? text : Self.eraseLine + text + progressLine
    }

    /// Return to the first column and erase to the end of the line (ECMA-48 EL).
    private static let eraseLine = "\r\u{1b}[K"
}

extension RunEvent {
    fileprivate var endsProgress: Bool {
        switch self {
        case .finished: true
        case .started, .step, .evaluation, .checkpoint, .guarded, .message, .stopping: false
        }
    }
}
