import Checkpointing
import Foundation
import Numerics

/// Makes faults happen to a run, and watches how it gets over them.
struct Injector {
    let run: LaunchedRun
    let patience: Duration

    var isFinished: Bool { run.lines.contains { $0.text.hasPrefix("finished ") } }

    /// Waits until the run has done a step since it was started last; false where it has finished or does not come back.
    func waitForLife() async -> Bool {
        await wait(patience) { isFinished || isAlive } && !isFinished
    }

    private var isAlive: Bool {
        guard run.coordinator != nil else { return false }
        let lines = run.lines
        guard let start = lines.lastIndex(where: { $0.text.hasPrefix("starting job") }) else { return false }
        return lines[start...].contains { Self.step($0.text) != nil } && !run.workers.isEmpty
    }

    func inject(_ fault: Fault) async -> Outcome {
        switch fault {
        case .kill(let rank, let after): return await strike(fault, after) { signal(SIGKILL, to: rank) }
        case .freeze(let rank, let after): return await strike(fault, after) { signal(SIGSTOP, to: rank) }
        case .damage(let truncates, let rank, let after):
            // There must be one to fall back on.
            _ = await wait(patience) { isFinished || run.checkpoints.count > 1 }
            return await damage(fault, after, truncates: truncates, rank: rank)
        case .killCoordinator(let after): return await killCoordinator(fault, after)
        case .point(let rank, let place, let count, let freezes):
            return await spring(fault, rank: rank, place, count: count, freezes: freezes)
        case .fill(let seconds):
            var outcome = Outcome(fault.kind)
            let (mark, step) = (ContinuousClock.now, lastStep)
            outcome.isInjected = await run.whileDiskIsFull { try? await Task.sleep(for: .seconds(seconds)) }
            if outcome.isInjected { await follow(&outcome, since: mark, step: step, detects: false) }
            return outcome
        }
    }

    private func strike(_ fault: Fault, _ after: Double, _ blow: () -> Bool) async -> Outcome {
        var outcome = Outcome(fault.kind)
        try? await Task.sleep(for: .seconds(after))
        let (mark, step) = (ContinuousClock.now, lastStep)
        outcome.isInjected = !isFinished && blow()
        if outcome.isInjected { await follow(&outcome, since: mark, step: step) }
        return outcome
    }

    /// A damaged checkpoint must be named before it is passed over; unless there is a later one to go on from by then.
    private func damage(_ fault: Fault, _ after: Double, truncates: Bool, rank: Int) async -> Outcome {
        var damaged: CheckpointFolder.Entry?
        let mark = run.lines.count
        var outcome = await strike(fault, after) {
            damaged = run.damageNewestCheckpoint(truncating: truncates)
            return damaged != nil && signal(SIGKILL, to: rank)
        }
        guard outcome.recovery != nil, let damaged else { return outcome }
        let restart = run.lines.dropFirst(mark).drop { !$0.text.hasPrefix("starting job") }
        let isNamed = restart.contains { $0.text.contains("passed over the checkpoint \(damaged.path)") }
        let firstStep = restart.lazy.compactMap { Self.step($0.text) }.first ?? 0
        if !isNamed, firstStep <= damaged.step + 1 { outcome.silence = "nobody named the damaged \(damaged.path)" }
        return outcome
    }

    private func signal(_ signal: Int32, to rank: Int) -> Bool {
        guard let worker = run.workers.first(where: { $0.rank == rank }) else { return false }
        return kill(worker.processIdentifier, signal) == 0
    }

    /// The workers must leave by themselves.
    private func killCoordinator(_ fault: Fault, _ after: Double) async -> Outcome {
        var outcome = Outcome(fault.kind)
        try? await Task.sleep(for: .seconds(after))
        let (workers, mark, step) = (run.workers, ContinuousClock.now, lastStep)
        guard !isFinished, let coordinator = run.coordinator, kill(coordinator, SIGKILL) == 0 else { return outcome }
        outcome.isInjected = true
        guard await wait(patience, until: { workers.allSatisfy { !LaunchedProcess.isRunning($0.processIdentifier) } })
        else {
            return outcome
        }
        outcome.detection = Self.seconds(since: mark)
        await follow(&outcome, since: mark, step: step, detects: false)
        return outcome
    }

    /// Arms a place and waits until a worker has come to it.
    private func spring(
        _ fault: Fault, rank: Int, _ place: FaultPoint.Place, count: Int, freezes: Bool
    ) async -> Outcome {
        var outcome = Outcome(fault.kind)
        guard (try? run.arm(rank: rank, place, count: count, freezes: freezes)) != nil else { return outcome }
        // Only a new start comes to these.
        if place == .start || place == .load { _ = signal(SIGKILL, to: rank) }
        guard await wait(patience, until: { isFinished || !run.isArmed }), !run.isArmed else {
            run.disarm()
            return outcome
        }
        outcome.isInjected = true
        await follow(&outcome, since: .now, step: lastStep)
        return outcome
    }

    /// Waits until the fault has been told of and a step has been done after it.
    private func follow(
        _ outcome: inout Outcome, since mark: ContinuousClock.Instant, step: Int, detects: Bool = true
    ) async {
        if detects {
            guard
                await wait(patience, until: { run.lines.contains { $0.time > mark && Self.tellsOfFailure($0.text) } }),
                let line = run.lines.first(where: { $0.time > mark && Self.tellsOfFailure($0.text) })
            else { return }
            outcome.detection = (line.time - mark) / .seconds(1)
        }
        func afterwards() -> ArraySlice<LaunchedRun.Line> {
            let lines = run.lines
            guard let first = lines.firstIndex(where: { $0.time > mark }) else { return [] }
            guard detects || outcome.detection != nil else { return lines[first...] }
            return lines[first...].drop { !$0.text.hasPrefix("starting job") }
        }
        guard
            await wait(
                patience,
                until: { afterwards().contains { Self.step($0.text) != nil || $0.text.hasPrefix("finished ") } })
        else { return }
        let lines = afterwards()
        if let line = lines.first(where: { Self.step($0.text) != nil || $0.text.hasPrefix("finished ") }) {
            outcome.recovery = (line.time - mark) / .seconds(1)
            outcome.stepsLost = Self.step(line.text).map { max(0, step - $0 + 1) } ?? 0
        }
    }

    private var lastStep: Int { run.lines.last { Self.step($0.text) != nil }.flatMap { Self.step($0.text) } ?? 0 }

    private static func tellsOfFailure(_ line: String) -> Bool {
        line.contains(/^rank \d+ on \S+ \(process \d+\) (died|has )/) || line.hasPrefix("error: job")
    }

    /// The step that a progress line tells of.
    static func step(_ line: String) -> Int? {
        line.prefixMatch(of: #/step (\d+)/\d+ /#).flatMap { Int($0.1) }
    }

    private static func seconds(since mark: ContinuousClock.Instant) -> Double {
        (ContinuousClock.now - mark) / .seconds(1)
    }

    private func wait(_ patience: Duration, until condition: () -> Bool) async -> Bool {
        let end = ContinuousClock.now + patience
        while !condition() {
            guard ContinuousClock.now < end else { return false }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return true
    }
}
