import Observability
import Testing

@Suite struct ProgressRendererTests {
    private let erase = "\r\u{1b}[K"

    @Test func withoutATerminalEveryStepIsALine() {
        var renderer = ProgressRenderer(terminalWidth: nil)
        let text = renderer.render(.step(.sample(step: 7, loss: 3.21456)))
        #expect(
            text
                == "step 7/100  loss 3.2146  learning rate 3.00e-04  gradient 1.2500  25.7k tokens/s  "
                + "128 GFLOP/s (70% of peak)  1m 05s left\n")
        #expect(renderer.clear() == "")
    }

    @Test(arguments: RunEvent.samples)
    func withoutATerminalThereAreNoControlCharacters(_ event: RunEvent) {
        var renderer = ProgressRenderer(terminalWidth: nil)
        let text = renderer.render(event)
        #expect(text.hasSuffix("\n"))
        #expect(!text.contains("\u{1b}"))
        #expect(!text.contains("\r"))
    }

    @Test func onATerminalStepsRewriteOneLine() {
        var renderer = ProgressRenderer(terminalWidth: 120)
        let first = renderer.render(.step(.sample(step: 1, loss: 4)))
        let second = renderer.render(.step(.sample(step: 2, loss: 3)))
        #expect(first.hasPrefix(erase + "step 1/100"))
        #expect(second.hasPrefix(erase + "step 2/100"))
        #expect(!first.contains("\n"))
        #expect(second.contains("128 GFLOP/s (70% of peak)"))
        #expect(second.contains("1m 05s left"))
    }

    @Test func otherEventsScrollAboveTheRewrittenLine() {
        var renderer = ProgressRenderer(terminalWidth: 120)
        let progress = renderer.render(.step(.sample(step: 1, loss: 4))).dropFirst(erase.count)
        let text = renderer.render(.message(RunMessage(level: .warning, text: "careful")))
        #expect(text == erase + "warning: careful\n" + progress)
        #expect(renderer.render(words: "a worker's words") == erase + "a worker's words\n" + progress)
        #expect(renderer.clear() == erase)
        #expect(renderer.render(words: "more") == "more\n")
    }

    @Test func theEndTakesTheRewrittenLineAway() {
        var renderer = ProgressRenderer(terminalWidth: 120)
        _ = renderer.render(.step(.sample(step: 100, loss: 4)))
        let summary = RunSummary(
            firstLoss: 10.5, lastLoss: 3.25, steps: 100, seconds: 75, lossCurvePath: "runs/a/loss.svg",
            checkpointPath: nil)
        #expect(
            renderer.render(.finished(summary))
                == erase + "finished 100 steps in 1m 15s: loss 10.5000 → 3.2500\n  loss curve  runs/a/loss.svg\n")
        #expect(renderer.clear() == "")
    }

    @Test(arguments: [1, 2, 10, 20, 40, 60, 80, 200])
    func theRewrittenLineFitsTheTerminal(_ width: Int) {
        var renderer = ProgressRenderer(terminalWidth: width)
        let text = renderer.render(.step(.sample(step: 1_234_567, loss: 12345.678, totalSteps: 100_000_000)))
        // The last column stays free: writing there makes some terminals wrap.
        #expect(text.dropFirst(erase.count).count <= width - 1)
    }

    @Test func aNarrowTerminalKeepsStepAndLoss() {
        var renderer = ProgressRenderer(terminalWidth: 30)
        #expect(renderer.render(.step(.sample(step: 7, loss: 3.5))) == erase + "step 7/100  loss 3.5000")
    }

    @Test func numbersThatAreNoneAreShownAsSuch() {
        var renderer = ProgressRenderer(terminalWidth: nil)
        var metrics = StepMetrics.sample(step: 1, loss: .nan)
        metrics.secondsLeft = .infinity
        metrics.peakShare = 0
        metrics.gradientNorm = .infinity
        let text = renderer.render(.step(metrics))
        #expect(text.contains("loss nan"))
        #expect(text.contains("gradient inf"))
        #expect(text.contains("? left"))
        #expect(!text.contains("of peak"))
    }
}

@Suite struct QuantityTests {
    @Test(arguments: [
        (0, "0"), (7, "7"), (999, "999"), (1_000, "1k"), (25_700, "25.7k"), (999_600, "1.00M"), (1_240_000, "1.24M"),
        (124_439_808, "124M"), (8_030_261_248, "8.03G"),
    ])
    func counts(_ value: Int, _ text: String) { #expect(Quantity.count(value) == text) }

    @Test(arguments: [
        (0.0, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.6, "1m 00s"), (185, "3m 05s"), (7_800, "2h 10m"),
        (356_400, "4d 03h"), (.infinity, "?"), (.nan, "?"), (-1, "?"),
    ])
    func durations(_ seconds: Double, _ text: String) { #expect(Quantity.duration(seconds) == text) }

    @Test(arguments: [(0, "0 B"), (512, "512 B"), (1536, "1.50 KiB"), (3_435_973_837, "3.20 GiB")])
    func bytes(_ value: Int, _ text: String) { #expect(Quantity.bytes(value) == text) }

    @Test(arguments: [(0.0, "0.0000"), (3.14159, "3.1416"), (1e-5, "1.00e-05"), (1e9, "1.00e+09"), (.nan, "nan")])
    func losses(_ value: Double, _ text: String) { #expect(Quantity.loss(value) == text) }
}
