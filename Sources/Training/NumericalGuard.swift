import Checkpointing
import JobConfiguration
import Observability

/// Watches the loss and the gradient norm of every step, and says what is to be done about those that are wrong.
///
/// It sees nothing but numbers that all ranks have in common, so that every rank comes to the same verdict, and what it
/// remembers goes into the checkpoint, so that a resumed run comes to the same verdicts as one that went on.
package struct NumericalGuard {
    /// A step whose numbers are wrong.
    package struct Incident: Hashable {
        package var cause: GuardRecord.Cause
        package var action: GuardRecord.Action
        /// Standard deviations of a spike above the mean of the losses before it.
        package var zScore: Double?
        /// Why the run stops although the policy is another one.
        package var exhausted: String?
    }

    private let policy: GuardsConfiguration
    /// The latest losses that were taken, the oldest at `oldest` once there are `policy.window` of them.
    private var losses: [Double] = []
    private var oldest = 0
    /// Steps of which no update was made.
    package private(set) var skippedSteps = 0
    /// Those directly before the next step.
    package private(set) var skipsInARow = 0
    package private(set) var rollbacks = 0

    /// - Parameter memory: What `memory` was when the checkpoint was written that the run goes on from.
    package init(_ policy: GuardsConfiguration, restoring memory: JSONValue? = nil) {
        self.policy = policy
        if looksForSpikes { losses.reserveCapacity(policy.window) }
        restore(memory)
    }

    private var looksForSpikes: Bool { policy.spikeThreshold > 0 }

    // MARK: Verdicts

    /// The largest mean loss with which a step may update the weights. Spikes that are only recorded may, too.
    package var lossLimit: Double { policy.onSpike == .ignore ? .infinity : spikeLimit }

    /// Judges the numbers of a step, and remembers what later verdicts depend on. Allocates nothing unless they are wrong.
    ///
    /// - Returns: nil where they are right.
    package mutating func judge(loss: Double, gradientNorm: Double) -> Incident? {
        guard loss.isFinite, gradientNorm.isFinite else {
            return carriedOut(Incident(cause: .nonFinite, action: policy.onNonFinite.action))
        }
        guard loss <= spikeLimit else {
            let (mean, deviation) = statistics
            return carriedOut(
                Incident(cause: .spike, action: policy.onSpike.action, zScore: (loss - mean) / deviation), loss: loss)
        }
        take(loss)
        return nil
    }

    private mutating func carriedOut(_ incident: Incident, loss: Double? = nil) -> Incident {
        var incident = incident
        switch incident.action {
        case .ignore:
            if let loss { take(loss) }
        case .stop: break
        case .skip:
            skippedSteps += 1
            skipsInARow += 1
            if skipsInARow > policy.maxSkips {
                incident.action = .stop
                incident.exhausted = "guards.maxSkips, \(policy.maxSkips), is the number of skips in a row before it"
            }
        case .rollback:
            rollbacks += 1
            if rollbacks > policy.maxRollbacks {
                incident.action = .stop
                incident.exhausted = "guards.maxRollbacks, \(policy.maxRollbacks), is the number of rollbacks before it"
            }
        }
        return incident
    }

    private mutating func take(_ loss: Double) {
        skipsInARow = 0
        guard looksForSpikes else { return }
        if losses.count < policy.window {
            losses.append(loss)
        } else {
            losses[oldest] = loss
            oldest = (oldest + 1) % policy.window
        }
    }

    // MARK: Spikes

    /// Losses above this are spikes; none while the window is not full.
    private var spikeLimit: Double {
        guard looksForSpikes, losses.count == policy.window else { return .infinity }
        let (mean, deviation) = statistics
        return mean + Double(policy.spikeThreshold) * deviation
    }

    /// A run whose loss hardly changes would call everything a spike: deviations below this part of the mean are taken
    /// for it.
    private static let smallestDeviation = 1e-3

    /// Mean and standard deviation of the window, added up from the oldest to the newest, so that they have the same
    /// bits wherever the window begins in memory.
    private var statistics: (mean: Double, deviation: Double) {
        let count = Double(losses.count)
        var sum = 0.0
        forEachLoss { sum += $0 }
        let mean = sum / count
        var squares = 0.0
        forEachLoss { squares += ($0 - mean) * ($0 - mean) }
        return (mean, max((squares / count).squareRoot(), Self.smallestDeviation * abs(mean)))
    }

    private func forEachLoss(_ body: (Double) -> Void) {
        for index in oldest..<losses.count { body(losses[index]) }
        for index in 0..<oldest { body(losses[index]) }
    }

    // MARK: Memory

    /// What a checkpoint must keep; nil where there is nothing to remember.
    package var memory: JSONValue? {
        guard !losses.isEmpty || skippedSteps > 0 || rollbacks > 0 else { return nil }
        return .object([
            "losses": .array((losses[oldest...] + losses[..<oldest]).map { .number($0) }),
            "skippedSteps": .integer(Int64(skippedSteps)),
            "skipsInARow": .integer(Int64(skipsInARow)),
            "rollbacks": .integer(Int64(rollbacks)),
        ])
    }

    private mutating func restore(_ memory: JSONValue?) {
        oldest = 0
        losses.removeAll(keepingCapacity: true)
        guard case .object(let members)? = memory else { return }
        if looksForSpikes, case .array(let values)? = members["losses"] {
            losses.append(contentsOf: values.compactMap(\.double).filter(\.isFinite).suffix(policy.window))
        }
        func count(_ name: String) -> Int {
            guard case .integer(let value)? = members[name] else { return 0 }
            return max(Int(value), 0)
        }
        skippedSteps = count("skippedSteps")
        skipsInARow = count("skipsInARow")
        rollbacks = count("rollbacks")
    }

    /// Goes back to what was remembered with an earlier checkpoint. The rollbacks of the run still count.
    package mutating func rollBack(to memory: JSONValue?) {
        let rollbacks = rollbacks
        skippedSteps = 0
        skipsInARow = 0
        restore(memory)
        self.rollbacks = rollbacks
    }
}

extension GuardsConfiguration.NonFinitePolicy {
    fileprivate var action: GuardRecord.Action {
        switch self {
        case .stop: .stop
        case .skip: .skip
        case .rollback: .rollback
        }
    }
}

extension GuardsConfiguration.SpikePolicy {
    fileprivate var action: GuardRecord.Action {
        switch self {
        case .ignore: .ignore
        case .stop: .stop
        case .skip: .skip
        case .rollback: .rollback
        }
    }
}

extension JSONValue {
    /// A number however it was written: 3.0 comes back as the integer 3.
    fileprivate var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}
