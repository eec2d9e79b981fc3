import JobConfiguration
import Observability
import Supervision

/// A job as the coordinator follows it, start by start: shows what the workers tell, keeps their last words, decides which
/// signal a stop request becomes, and judges how a start ended.
actor LaunchSession {
    /// What is to be done to the launcher.
    enum Action: Hashable, Sendable {
        /// `mpirun` and `srun` hand SIGUSR1 on to every rank; the ranks agree on a step, save, and leave.
        case askToSave
        /// `mpirun` and `srun` end all ranks on all hosts, and then themselves.
        case endRanks
        case kill
    }

    private enum Stop {
        case none
        case asked
        /// Ended before the first step, when there was nothing to save.
        case beforeStart
        case forced
    }

    private static let lastWordsKept = 40

    private let jobName: String
    /// `mpirun` or `srun`.
    private let launcher: String
    private let console: Console
    private let log: LaunchLog
    private var renderer = ProgressRenderer(terminalWidth: nil)
    private var notices = LauncherNotices()
    private var lastWords: [String] = []
    /// Whether what is said now only tells how ranks that hang were ended.
    private var isEnding = false
    private var hasStarted = false
    private var stop = Stop.none
    private var isPaused = false
    /// Steps done and checkpoint saved last, as far as the workers have told.
    private var step = 0
    private var checkpoint: Int?

    init(jobName: String, launcher: String, console: Console, log: sending LaunchLog) {
        self.jobName = jobName
        self.launcher = launcher
        self.console = console
        self.log = log
    }

    /// How a start ended.
    struct Ending {
        /// The exit status of `apus launch`, if this was the last start.
        var status: Int32
        var mayRestart = false
        var step = 0
        var checkpoint: Int?
    }

    /// The workers are about to be started.
    func begin(_ opening: String) {
        hasStarted = false
        lastWords = []
        isEnding = false
        notices = LauncherNotices()
        note(opening)
    }

    /// A line of the workers' standard output.
    func receive(outputLine line: String) {
        let (words, event) = RunEvent.parse(outputLine: line)
        if let words {
            log.append(words)
            show { $0.render(words: words) }
        }
        if let event {
            follow(event)
            show { $0.render(event) }
        }
    }

    /// A line of standard error, the launcher's or a worker's.
    func receive(errorLine line: String) {
        log.append(line)
        let words = notices.accept(line)
        if !isEnding { keep(words) }
    }

    /// The heartbeats show that the workers have failed. The last words of a worker that died may still be on their way;
    /// ranks that hang have none, and `mpirun` has many when it is ended with them.
    func noteFailure(_ failure: RankMonitor.Failure) {
        isEnding = failure.cause != .died
        note(failure.report)
    }

    private func follow(_ event: RunEvent) {
        if let step = event.step { self.step = max(step, self.step) }
        switch event {
        case .started(let facts):
            hasStarted = true
            step = facts.resumedStep
            if facts.resumedStep > 0 { checkpoint = facts.resumedStep }
        case .checkpoint(let record): checkpoint = record.step
        default: break
        }
    }

    var isForced: Bool { stop == .forced || stop == .beforeStart }

    func decide(_ request: StopRequest) -> Action? {
        switch (stop, request) {
        case (.none, _) where isPaused:
            stop = .beforeStart
            return nil
        case (.none, _) where !hasStarted:
            stop = .beforeStart
            note("ending the workers, which have not begun to train")
            return .endRanks
        case (.none, .interrupt):
            stop = .asked
            note("saving and stopping after this step; Ctrl-C again ends the run without saving")
            return .askToSave
        case (.none, .terminate(let signal)):
            stop = .asked
            note("\(signal): saving and stopping after this step")
            return .askToSave
        case (.asked, .interrupt):
            stop = .forced
            note("ending the workers without saving")
            return .endRanks
        case (.forced, .interrupt), (.beforeStart, .interrupt): return .kill
        // A scheduler may repeat its signal; the workers are at it already.
        case (.asked, .terminate), (.forced, .terminate), (.beforeStart, .terminate): return nil
        }
    }

    /// Says how a start ended where that was not well.
    ///
    /// - Parameters:
    ///   - exitCode: That of the launcher, which is the first failing worker's; nil when a signal ended it.
    ///   - failure: What the heartbeats showed, told already.
    func conclude(exitCode: Int32?, failure: RankMonitor.Failure?) -> Ending {
        let unended = notices.flush()
        if !isEnding { keep(unended) }
        console.writeOutput(renderer.clear())
        let step = max(step, failure?.step ?? 0)
        func failed(_ status: Int32) -> Ending {
            Ending(status: status, mayRestart: stop == .none, step: step, checkpoint: checkpoint)
        }
        switch (stop, exitCode) {
        case (_, 0): return Ending(status: ExitStatus.success.rawValue)
        case (.beforeStart, _):
            note("stopped before the first step; nothing had to be saved")
            return Ending(status: ExitStatus.stopped.rawValue)
        case (.forced, _):
            explain("stopped without saving; the last checkpoint is as it was", lastWords: [])
            return Ending(status: ExitStatus.failure.rawValue)
        case (_, ExitStatus.stopped.rawValue):
            note("stopped; the same command goes on from the checkpoint")
            return Ending(status: ExitStatus.stopped.rawValue)
        case (_, ExitStatus.badInput.rawValue):
            // The workers' words are the message; ranks that met the same mistake said the same.
            var said: Set<String> = []
            for line in lastWords where said.insert(line).inserted { console.writeError(line + "\n") }
            return Ending(status: ExitStatus.badInput.rawValue)
        case (_, ExitStatus.diverged.rawValue):
            explain("its numbers are wrong", lastWords: lastWords)
            return Ending(status: ExitStatus.diverged.rawValue)
        case (_, nil):
            explain(failure == nil ? "\(launcher) was killed" : "the workers had to be ended", lastWords: lastWords)
            return failed(ExitStatus.failure.rawValue)
        case (_, let exitCode?):
            let ending = notices.ending(exitCode: exitCode)
            explain(ending.map { "\($0)" } ?? "\(launcher) failed with exit code \(exitCode)", lastWords: lastWords)
            // From 128 on a code tells of a signal, or of the launcher's own failure.
            return failed(exitCode < 128 ? exitCode : ExitStatus.failure.rawValue)
        }
    }

    /// Waits before the workers are started again.
    ///
    /// - Returns: False when the run was asked to stop meanwhile.
    func pause(beforeRestart number: Int, of allowed: Int, _ pause: Duration) async -> Bool {
        let from = checkpoint.map { "the checkpoint of step \($0)" } ?? "the beginning"
        let seconds = Int((pause / .seconds(1)).rounded(.up))
        note("starting again from \(from) in \(seconds) s (restart \(number) of at most \(allowed))")
        isPaused = true
        defer { isPaused = false }
        let end = ContinuousClock.now + pause
        while stop == .none, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(50)) }
        if stop != .none { note("stopped; the same command goes on from there") }
        return stop == .none
    }

    /// Plans the next start, which may mean to wait for hosts.
    ///
    /// - Returns: Nil when the run was asked to stop meanwhile.
    func prepareRestart<Plan: Sendable>(_ plan: @escaping @Sendable () async throws -> Plan) async throws -> Plan? {
        isPaused = true
        defer { isPaused = false }
        let planning = Task { try await plan() }
        let watch = Task {
            while stop == .none { try await Task.sleep(for: .milliseconds(50)) }
            planning.cancel()
        }
        defer { watch.cancel() }
        let result = await planning.result
        guard stop == .none else {
            note("stopped; the same command goes on from there")
            return nil
        }
        return try result.get()
    }

    func giveUp(_ reason: String) { console.writeError("error: job '\(jobName)': not started again: \(reason)\n") }

    func note(_ text: String) {
        log.append(text)
        show { $0.render(words: text) }
    }

    private func keep(_ words: [String]) {
        lastWords.append(contentsOf: words)
        lastWords.removeFirst(max(lastWords.count - Self.lastWordsKept, 0))
    }

    private func show(_ render: (inout ProgressRenderer) -> String) {
        renderer.terminalWidth = console.terminalWidth()
        console.writeOutput(render(&renderer))
    }

    private func explain(_ problem: String, lastWords: [String]) {
        var text = "error: job '\(jobName)': \(problem)\n"
        if !lastWords.isEmpty {
            text += "the workers' last words:\n" + lastWords.map { "  | \($0)\n" }.joined()
        }
        text += "  → all that was said is in \(log.path)\n"
        console.writeError(text)
    }
}
