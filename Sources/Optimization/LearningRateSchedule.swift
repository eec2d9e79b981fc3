import Foundation

extension OptimizerConfiguration {
    /// The learning rate of an update.
    ///
    /// - Parameters:
    ///   - step: Updates made before this one, from 0.
    ///   - totalSteps: Updates of the whole run; the last one gets the final rate of a schedule that decays.
    public func learningRate(step: Int, totalSteps: Int) -> Float {
        learningRate * schedule.factor(step: step, totalSteps: totalSteps)
    }
}

extension ScheduleConfiguration {
    /// What the peak learning rate is multiplied by, 0 to 1.
    func factor(step: Int, totalSteps: Int) -> Float {
        if step < warmupSteps { return Float(step + 1) / Float(warmupSteps) }
        switch kind {
        case .constant:
            return 1
        case .linear:
            return 1 - (1 - finalFraction) * progress(step, from: warmupSteps, to: totalSteps)
        case .cosine:
            let cosine = cos(Float.pi * progress(step, from: warmupSteps, to: totalSteps))
            return finalFraction + (1 - finalFraction) * (1 + cosine) / 2
        case .warmupStableDecay:
            return 1 - (1 - finalFraction) * progress(step, from: totalSteps - decaySteps, to: totalSteps)
        }
    }

    /// How much of the decay is done by this update: 0 before `start`, 1 for the update just before `end` and later.
    private func progress(_ step: Int, from start: Int, to end: Int) -> Float {
        guard end > start else { return step < end ? 0 : 1 }
        return min(max(Float(step + 1 - start) / Float(end - start), 0), 1)
    }
}
