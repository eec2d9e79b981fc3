import JobConfiguration

/// Decides whether a failed run is started again, and when.
package struct RestartHistory {
    package enum Decision: Hashable {
        case restart(number: Int, after: Duration)
        case giveUp(reason: String)
    }

    private let configuration: SupervisionConfiguration
    private var restarts = 0
    private var withoutProgress = 0
    private var lastCheckpoint: Int?
    private var failedSteps: [Int] = []

    private static let longestPause = 60.0

    package init(_ configuration: SupervisionConfiguration) { self.configuration = configuration }

    /// The workers have failed.
    ///
    /// - Parameters:
    ///   - step: Where the run was.
    ///   - checkpoint: The newest checkpoint's step, nil without one.
    package mutating func failed(step: Int, checkpoint: Int?) -> Decision {
        guard configuration.maxRestarts > 0 else { return .giveUp(reason: "supervision.maxRestarts is 0") }
        if checkpoint != lastCheckpoint {
            withoutProgress = 0
            failedSteps = []
        }
        lastCheckpoint = checkpoint
        withoutProgress += 1
        failedSteps.append(step)
        if withoutProgress >= configuration.failuresWithoutProgress {
            let from = checkpoint.map { "the checkpoint of step \($0)" } ?? "the beginning"
            return .giveUp(
                reason: "it failed \(withoutProgress) times in a row after \(from), in \(Self.words(failedSteps)), "
                    + "without a new checkpoint between: starting it again would most likely end there again")
        }
        guard restarts < configuration.maxRestarts else {
            return .giveUp(
                reason: "it was restarted \(restarts) times, as often as supervision.maxRestarts allows")
        }
        restarts += 1
        var pause = Double(configuration.backoffSeconds)
        for _ in 1..<withoutProgress { pause = min(pause * 2, Self.longestPause) }
        return .restart(number: restarts, after: .seconds(pause))
    }

    private static func words(_ steps: [Int]) -> String {
        let distinct = Set(steps).sorted()
        guard distinct.count > 1 else { return "step \(distinct[0] + 1) each time" }
        return "steps \(distinct.map { String($0 + 1) }.joined(separator: ", "))"
    }
}
