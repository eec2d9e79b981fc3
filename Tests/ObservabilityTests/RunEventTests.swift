import Foundation
import Observability
import Testing

@Suite struct RunEventTests {
    @Test(arguments: RunEvent.samples)
    func everyEventSurvivesItsLine(_ event: RunEvent) throws {
        let line = event.coordinatedLine
        #expect(!line.contains("\n"))
        let parsed = RunEvent.parse(outputLine: line)
        #expect(parsed.event == event)
        #expect(parsed.words == nil)
    }

    @Test func anEventIsOneFlatObjectNamedByItsKind() throws {
        let event = RunEvent.evaluation(EvaluationMetrics(step: 5, loss: 2.5, perplexity: 12.25, seconds: 0.5))
        #expect(
            event.coordinatedLine
                == "\u{1e}{\"kind\":\"evaluation\",\"loss\":2.5,\"perplexity\":12.25,\"seconds\":0.5,\"step\":5}")
    }

    @Test func lossesThatAreNoNumbersSurvive() throws {
        var metrics = StepMetrics.sample(step: 1, loss: .infinity)
        metrics.gradientNorm = .nan
        guard case .step(let read)? = RunEvent.parse(outputLine: RunEvent.step(metrics).coordinatedLine).event else {
            Issue.record("not read as a step")
            return
        }
        #expect(read.loss == .infinity)
        #expect(read.gradientNorm.isNaN)
    }

    @Test func wordsWithoutALineFeedBeforeAnEventAreKeptApart() {
        let event = RunEvent.message(RunMessage(level: .note, text: "hello"))
        let parsed = RunEvent.parse(outputLine: "unfinished words" + event.coordinatedLine)
        #expect(parsed.words == "unfinished words")
        #expect(parsed.event == event)
    }

    @Test(arguments: [
        "", "plain words", "\u{1e}", "\u{1e}{\"kind\":\"step\"", "\u{1e}{\"kind\":\"from the future\"}", "\u{1e}[]",
    ])
    func whatIsNoEventIsWords(_ line: String) {
        let parsed = RunEvent.parse(outputLine: line)
        #expect(parsed.event == nil)
        #expect(parsed.words == line.replacing("\u{1e}", with: ""))
    }
}

extension RunEvent {
    static let samples: [RunEvent] = [
        .started(
            RunFacts(
                name: "tiny", parameters: 124_000_000, mesh: "data 2 × tensor 1", ranks: 2, threadsPerRank: 1,
                tokensPerStep: 8192, totalSteps: 100, resumedStep: 50)),
        .step(.sample(step: 51, loss: 3.25)),
        .evaluation(EvaluationMetrics(step: 60, loss: 3.5, perplexity: 33.1, seconds: 1.5)),
        .checkpoint(
            CheckpointRecord(step: 60, path: "runs/tiny/checkpoints/step-000060", seconds: 0.25, bytes: 1 << 20)),
        .guarded(
            GuardRecord(
                step: 61, cause: .nonFinite, action: .rollback, loss: 3.5, gradientNorm: .infinity, zScore: nil,
                firstSample: 480, sampleCount: 8,
                samples: [.init(sample: 480, file: "data/train.bin", token: 64, firstDocument: 0, lastDocument: 2)],
                rollbackStep: 60, nextSample: 488)),
        .message(RunMessage(level: .warning, text: "line\u{2028}separator, \"quotes\", a slash / and\nline feed")),
        .stopping(StopNotice(reason: "signal SIGUSR1 at rank 0", step: 61)),
        .finished(
            RunSummary(
                firstLoss: 10.5, lastLoss: nil, steps: 61, seconds: 12, lossCurvePath: "runs/tiny/loss.svg",
                checkpointPath: nil)),
    ]
}

extension StepMetrics {
    static func sample(step: Int, loss: Double, totalSteps: Int = 100) -> StepMetrics {
        StepMetrics(
            step: step, totalSteps: totalSteps, loss: loss, learningRate: 3e-4, gradientNorm: 1.25,
            tokensPerSecond: 25_700, modelGFLOPs: 128, peakShare: 0.7, stepSeconds: 0.03, secondsLeft: 65,
            tokensSeen: step * 8192, peakRSSMiB: 742)
    }
}
