import Optimization
import Testing

@Suite struct LearningRateScheduleTests {
    private func configuration(
        _ kind: ScheduleConfiguration.Kind, warmup: Int = 0, decay: Int = 0
    ) -> OptimizerConfiguration {
        var configuration = OptimizerConfiguration()
        configuration.learningRate = 2
        configuration.schedule.kind = kind
        configuration.schedule.warmupSteps = warmup
        configuration.schedule.decaySteps = decay
        configuration.schedule.finalFraction = 0.1
        return configuration
    }

    private func rates(_ configuration: OptimizerConfiguration, steps: Int) -> [Float] {
        (0..<steps).map { configuration.learningRate(step: $0, totalSteps: steps) }
    }

    @Test(arguments: ScheduleConfiguration.Kind.allCases)
    func warmUpRisesLinearlyToThePeak(_ kind: ScheduleConfiguration.Kind) {
        let rates = rates(configuration(kind, warmup: 4, decay: 2), steps: 100)
        #expect(rates[..<4].elementsEqual([0.5, 1, 1.5, 2]))
    }

    @Test func constantStaysAtThePeak() {
        #expect(rates(configuration(.constant), steps: 5) == [2, 2, 2, 2, 2])
    }

    @Test func linearFallsToTheFinalRateAtTheLastStep() {
        let rates = rates(configuration(.linear), steps: 3)
        for (rate, expected) in zip(rates, [1.4, 0.8, 0.2] as [Float]) { #expect(abs(rate - expected) < 1e-6) }
    }

    @Test func cosineIsHalfwayInTheMiddle() {
        let rates = rates(configuration(.cosine, warmup: 2), steps: 102)
        #expect(abs(rates[51] - (0.2 + 2) / 2) < 1e-5)
        #expect(abs(rates[101] - 0.2) < 1e-6)
        #expect(zip(rates[2...], rates[3...]).allSatisfy { $0 > $1 })
    }

    @Test func warmUpStableDecayFallsOnlyAtTheEnd() {
        let rates = rates(configuration(.warmupStableDecay, warmup: 2, decay: 4), steps: 12)
        #expect(rates[2..<8].allSatisfy { $0 == 2 })
        #expect(abs(rates[11] - 0.2) < 1e-6)
        #expect(abs(rates[9] - 1.1) < 1e-6)
    }

    @Test func aStepBeyondTheEndKeepsTheFinalRate() {
        #expect(abs(configuration(.cosine).learningRate(step: 500, totalSteps: 100) - 0.2) < 1e-6)
    }
}
