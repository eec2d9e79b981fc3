import Coordination
import JobConfiguration
import Testing

@Suite struct RestartHistoryTests {
    private func history(_ change: (inout SupervisionConfiguration) -> Void = { _ in }) -> RestartHistory {
        var configuration = SupervisionConfiguration()
        change(&configuration)
        return RestartHistory(configuration)
    }

    @Test func pausesGrowUntilThereIsProgress() {
        var history = history { $0.failuresWithoutProgress = 10 }
        #expect(history.failed(step: 5, checkpoint: nil) == .restart(number: 1, after: .seconds(1)))
        #expect(history.failed(step: 6, checkpoint: nil) == .restart(number: 2, after: .seconds(2)))
        #expect(history.failed(step: 7, checkpoint: nil) == .restart(number: 3, after: .seconds(4)))
        #expect(history.failed(step: 12, checkpoint: 10) == .restart(number: 4, after: .seconds(1)))
        for number in 5...10 { _ = (number, history.failed(step: 12, checkpoint: 10)) }
        #expect(
            history.failed(step: 12, checkpoint: 20)
                == .giveUp(reason: "it was restarted 10 times, as often as supervision.maxRestarts allows"))
    }

    @Test func aFailureThatComesAgainAtTheSameStepEndsTheRun() {
        var history = history()
        _ = history.failed(step: 56, checkpoint: 50)
        _ = history.failed(step: 56, checkpoint: 50)
        guard case .giveUp(let reason) = history.failed(step: 56, checkpoint: 50) else {
            Issue.record("started again")
            return
        }
        #expect(reason.hasPrefix("it failed 3 times in a row after the checkpoint of step 50, in step 57 each time"))
    }

    @Test func withoutRestartsTheFirstFailureIsTheLast() {
        var history = history { $0.maxRestarts = 0 }
        #expect(history.failed(step: 1, checkpoint: nil) == .giveUp(reason: "supervision.maxRestarts is 0"))
    }

    @Test(arguments: [
        ("gpu1", ["gpu1"]), ("gpu1,gpu2", ["gpu1", "gpu2"]),
        ("node[01-03,7],x", ["node01", "node02", "node03", "node7", "x"]),
        ("", []), ("node[3-1]", []), ("node[a-b]", []),
    ]) func slurmsListsOfNodesAreRead(_ list: String, _ nodes: [String]) {
        #expect(ControlRoute.slurmNodes(list) == nodes)
    }
}
