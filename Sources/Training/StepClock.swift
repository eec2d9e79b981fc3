/// Measures steps between two reports, without the time spent on evaluation and saving.
struct StepClock {
    private var lastReport = ContinuousClock.now
    private var lastStep: Int

    init(step: Int) { lastStep = step }

    /// Mean seconds a step since the last call.
    mutating func secondsPerStep(at step: Int) -> Double {
        let now = ContinuousClock.now
        let seconds = (now - lastReport) / .seconds(1) / Double(max(step - lastStep, 1))
        lastReport = now
        lastStep = step
        return seconds
    }

    /// Runs `body` off the clock.
    mutating func pause(_ body: () throws -> Void) rethrows {
        let start = ContinuousClock.now
        try body()
        lastReport += ContinuousClock.now - start
    }
}
