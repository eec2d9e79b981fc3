import Checkpointing
import Foundation
import JobConfiguration
import Observability
import Testing
import Training

@Suite struct NumericalGuardTests {
    private func policy(
        nonFinite: GuardsConfiguration.NonFinitePolicy = .stop, spike: GuardsConfiguration.SpikePolicy = .ignore,
        window: Int = 4, threshold: Float = 2
    ) -> GuardsConfiguration {
        var policy = GuardsConfiguration()
        policy.onNonFinite = nonFinite
        policy.onSpike = spike
        policy.window = window
        policy.spikeThreshold = threshold
        return policy
    }

    private func expectRight(_ loss: Double, _ numericalGuard: inout NumericalGuard) {
        let incident = numericalGuard.judge(loss: loss, gradientNorm: 1)
        #expect(incident == nil)
    }

    private func action(_ loss: Double, _ numericalGuard: inout NumericalGuard) -> GuardRecord.Action? {
        numericalGuard.judge(loss: loss, gradientNorm: 1)?.action
    }

    /// A guard that has seen these losses.
    private func trained(_ policy: GuardsConfiguration, _ losses: [Double] = [1, 2, 3, 4]) -> NumericalGuard {
        var result = NumericalGuard(policy)
        for loss in losses { expectRight(loss, &result) }
        return result
    }

    @Test func whatIsNotFiniteIsFoundInBothNumbers() {
        for (loss, norm) in [(Double.nan, 1), (.infinity, 1), (-.infinity, 1), (1, .nan), (1, .infinity)]
            as [(Double, Double)]
        {
            for (nonFinite, action) in [
                (GuardsConfiguration.NonFinitePolicy.stop, GuardRecord.Action.stop), (.skip, .skip),
                (.rollback, .rollback),
            ] {
                var numericalGuard = NumericalGuard(policy(nonFinite: nonFinite))
                let incident = numericalGuard.judge(loss: loss, gradientNorm: norm)
                #expect(incident?.cause == .nonFinite && incident?.action == action && incident?.zScore == nil)
            }
        }
    }

    /// 1, 2, 3 and 4 have the mean 2.5 and the standard deviation √1.25.
    @Test func aSpikeIsSoManyDeviationsAboveTheMean() throws {
        let limit = 2.5 + 2 * 1.25.squareRoot()
        var below = trained(policy(spike: .stop))
        #expect(below.lossLimit == limit)
        expectRight(limit, &below)
        var above = trained(policy(spike: .stop))
        let found = above.judge(loss: limit.nextUp, gradientNorm: 1)
        let incident = try #require(found)
        #expect(incident.cause == .spike && incident.action == .stop)
        let zScore = try #require(incident.zScore)
        #expect(abs(zScore - 2) < 1e-12)
        // A loss far below is none.
        var low = trained(policy(spike: .stop))
        expectRight(-100, &low)
    }

    @Test func thereIsNoSpikeBeforeTheWindowIsFullOrWithoutAThreshold() {
        var early = trained(policy(spike: .skip), [1, 2, 3])
        #expect(early.lossLimit == .infinity)
        expectRight(1e9, &early)
        var off = trained(policy(threshold: 0))
        expectRight(1e9, &off)
        #expect(off.memory == nil)
    }

    @Test func aRecordedSpikeMayUpdateAndCountsASkippedOneDoesNot() {
        var recorded = trained(policy(spike: .ignore))
        #expect(recorded.lossLimit == .infinity)
        let first = action(100, &recorded)
        #expect(first == .ignore)
        // The window is 2, 3, 4, 100 now.
        expectRight(90, &recorded)
        var skipped = trained(policy(spike: .skip))
        let limit = skipped.lossLimit
        let second = action(100, &skipped)
        #expect(second == .skip)
        #expect(skipped.lossLimit == limit)
        #expect(skipped.skippedSteps == 1)
    }

    /// Losses that hardly change have no deviation worth the name.
    @Test func aThousandthOfTheMeanIsTheSmallestDeviation() {
        let still = trained(policy(spike: .skip), [2, 2, 2, 2])
        #expect(still.lossLimit == 2 + 2 * 0.002)
    }

    @Test func skipsInARowAndRollbacksAreLimited() {
        var skipping = policy(nonFinite: .skip)
        skipping.maxSkips = 2
        var numericalGuard = NumericalGuard(skipping)
        func skip() -> GuardRecord.Action? { action(.nan, &numericalGuard) }
        #expect([skip(), skip()] == [.skip, .skip])
        expectRight(1, &numericalGuard)
        #expect([skip(), skip(), skip()] == [.skip, .skip, .stop])

        var rolling = policy(nonFinite: .rollback)
        rolling.maxRollbacks = 1
        var other = NumericalGuard(rolling)
        let first = action(.nan, &other)
        #expect(first == .rollback)
        other.rollBack(to: nil)
        expectRight(1, &other)
        let last = other.judge(loss: .nan, gradientNorm: 1)
        #expect(last?.action == .stop)
        #expect(last?.exhausted?.contains("guards.maxRollbacks, 1") == true)
    }

    /// Written as JSON and read again after any step, it comes to the same verdicts with the same bits.
    @Test func whatItRemembersSurvivesACheckpoint() throws {
        let policy = policy(spike: .skip, window: 5, threshold: 1)
        let losses = (0..<60).map { index -> Double in
            let noise = Double(index * 7919 % 101) / 37
            return 3 + noise - Double(index) / 30
        }
        for checkpoint in losses.indices {
            var whole = NumericalGuard(policy)
            var resumed = NumericalGuard(policy)
            for (step, loss) in losses.enumerated() {
                let verdicts = (
                    whole.judge(loss: loss, gradientNorm: 1), resumed.judge(loss: loss, gradientNorm: 1)
                )
                #expect(verdicts.0 == verdicts.1)
                guard step == checkpoint else { continue }
                let json = try JSONEncoder().encode(whole.memory)
                resumed = NumericalGuard(policy, restoring: try JSONDecoder().decode(JSONValue?.self, from: json))
                #expect(resumed.lossLimit == whole.lossLimit)
            }
            #expect(resumed.skippedSteps == whole.skippedSteps && whole.skippedSteps > 0)
        }
    }

    @Test func aRollbackForgetsAllButTheRollbacks() {
        var numericalGuard = trained(policy(nonFinite: .rollback, spike: .skip))
        let memory = numericalGuard.memory
        let limit = numericalGuard.lossLimit
        for loss in [5, 6, 1, 1] as [Double] { _ = numericalGuard.judge(loss: loss, gradientNorm: 1) }
        #expect(numericalGuard.lossLimit != limit)
        _ = numericalGuard.judge(loss: .nan, gradientNorm: 1)
        numericalGuard.rollBack(to: memory)
        #expect(numericalGuard.lossLimit == limit)
        #expect(numericalGuard.rollbacks == 1)
        #expect(numericalGuard.skippedSteps == 0)
    }

    /// Whoever edits a checkpoint gets a guard that knows nothing, not a crash.
    @Test(arguments: [
        JSONValue.null, .string("x"), .array([]), .object(["losses": .string("x"), "rollbacks": .number(0.5)]),
        .object(["losses": .array([.null, .string("1"), .object([:])]), "skippedSteps": .integer(.min)]),
    ])
    func anyMemoryIsTaken(_ memory: JSONValue) {
        var numericalGuard = NumericalGuard(policy(spike: .skip), restoring: memory)
        #expect(numericalGuard.lossLimit == .infinity)
        expectRight(1, &numericalGuard)
        #expect(numericalGuard.skippedSteps == 0 && numericalGuard.rollbacks == 0)
    }
}
