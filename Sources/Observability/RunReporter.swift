import Foundation
import Numerics

/// Rank 0's voice: every event goes to `metrics.jsonl` and to whoever watches, and the loss curve is redrawn with every
/// checkpoint and at the end.
///
/// A run does not end because its history cannot be written: the first such failure is told as a warning.
public final class RunReporter {
    /// Where events are told.
    public enum Audience: Sendable {
        /// A coordinator that reads event lines from standard output.
        case coordinator
        /// A person at the terminal or log file behind standard output.
        case person

        /// The coordinator sets `APUS_COORDINATED=1` for its workers.
        public static func current(
            environment: [String: String] = ProcessInfo.processInfo.environment
        ) -> Audience {
            environment["APUS_COORDINATED"] == "1" ? .coordinator : .person
        }
    }

    public let metricsPath: String
    public let lossCurvePath: String

    private let title: String
    private let log: MetricsLog
    private let audience: Audience
    private let write: (String) -> Void
    private var renderer: ProgressRenderer
    private var hasWarned = false

    /// - Parameters:
    ///   - folder: The run's folder, which must exist; holds `metrics.jsonl` and `loss.svg`.
    ///   - title: Heads the loss curve, usually the run's name.
    ///   - resumedStep: The step after which the run goes on, 0 for a new run; later history is cut off.
    ///   - write: Receives the text, by default standard output.
    /// - Throws: `ApusError` naming the log when it cannot be opened.
    public init(
        folder: String, title: String, resumedStep: Int, audience: Audience = .current(),
        write: ((String) -> Void)? = nil
    ) throws {
        metricsPath = folder + "/metrics.jsonl"
        lossCurvePath = folder + "/loss.svg"
        self.title = title
        self.audience = audience
        self.write = write ?? { StandardStream.write($0, to: StandardStream.output) }
        log = try MetricsLog(path: metricsPath, resumedStep: resumedStep)
        renderer = ProgressRenderer(terminalWidth: nil)
    }

    public func report(_ event: RunEvent) {
        keep { try log.append(event) }
        switch event {
        case .checkpoint, .finished:
            keep { try LossCurve(metricsPath: metricsPath, title: title).write(to: lossCurvePath) }
        case .started, .step, .evaluation, .guarded, .message, .stopping: break
        }
        tell(event)
    }

    /// Shows lines of text that are no event and no part of the history.
    public func tell(words: String) {
        switch audience {
        case .coordinator: write(words)
        case .person:
            for line in words.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                write(renderer.render(words: String(line)))
            }
        }
    }

    private func keep(_ action: () throws -> Void) {
        do {
            try action()
        } catch {
            guard !hasWarned else { return }
            hasWarned = true
            tell(.message(RunMessage(level: .warning, text: "\(error); training goes on")))
        }
    }

    private func tell(_ event: RunEvent) {
        switch audience {
        case .coordinator: write(event.coordinatedLine + "\n")
        case .person:
            renderer.terminalWidth =
                StandardStream.isTerminal(StandardStream.output)
                ? StandardStream.terminalWidth(StandardStream.output) ?? 80 : nil
            write(renderer.render(event))
        }
    }
}
