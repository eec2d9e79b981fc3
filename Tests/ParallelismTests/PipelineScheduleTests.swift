import Numerics
import Parallelism
import Testing

@Suite struct PipelineScheduleTests {
    /// Every kind of schedule for a number of stages.
    private func schedules(stages: Int) -> [PipelineSchedule] {
        let counts = [stages, stages + 1, 2 * stages, 3 * stages - 1, 4 * stages, 17].filter { $0 >= stages }
        let plain = [PipelineSchedule.Kind.gpipe, .oneForwardOneBackward, .zeroBubble].flatMap { kind in
            counts.map { PipelineSchedule(kind, PipelineShape(stages: stages, microBatches: $0)) }
        }
        let interleaved = (2...4).flatMap { virtual in
            (1...4).map { rounds in
                PipelineSchedule(
                    .interleaved,
                    PipelineShape(stages: stages, virtualStages: virtual, microBatches: rounds * stages))
            }
        }
        return plain + (stages > 1 ? interleaved : [])
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 8])
    func everyScheduleIsCompleteAndFreeOfDeadlock(stages: Int) throws {
        for schedule in schedules(stages: stages) { try schedule.check() }
    }

    /// Where stages cost the same, idle time is what the papers say.
    @Test(arguments: [2, 3, 4, 5, 6, 8])
    func bubblesAreThoseOfTheFormulas(stages: Int) {
        let costs = [
            PipelineCosts(), PipelineCosts(forward: 2, backwardInput: 2.4, backwardWeight: 1.6),
            PipelineCosts(forward: 1, backwardInput: 1, backwardWeight: 0.25),
        ]
        for schedule in schedules(stages: stages) {
            for cost in costs {
                let timeline = PipelineTimeline(of: schedule, costs: cost)
                #expect(timeline.stuck.isEmpty)
                let expected = schedule.expectedBubbleFraction(cost)
                #expect(
                    abs(timeline.bubbleFraction - expected) < 1e-9,
                    "\(schedule.kind) \(schedule.shape): \(timeline.bubbleFraction), by formula \(expected)")
            }
        }
    }

    /// (p - 1) / (m + p - 1) and its like, in numbers.
    @Test func formulasInNumbers() {
        func fraction(_ kind: PipelineSchedule.Kind, virtualStages: Int = 1) -> Double {
            PipelineSchedule(kind, PipelineShape(stages: 4, virtualStages: virtualStages, microBatches: 8))
                .expectedBubbleFraction(PipelineCosts())
        }
        #expect(abs(fraction(.gpipe) - 3.0 / 11) < 1e-12)
        #expect(abs(fraction(.oneForwardOneBackward) - 3.0 / 11) < 1e-12)
        #expect(abs(fraction(.interleaved, virtualStages: 2) - 1.5 / 9.5) < 1e-12)
        #expect(abs(fraction(.zeroBubble) - 3.0 / 27) < 1e-12)
    }

    @Test(arguments: [2, 3, 4, 8]) func memoryIsWhatEachScheduleIsKnownFor(stages: Int) {
        let shape = PipelineShape(stages: stages, microBatches: 3 * stages)
        for stage in 0..<stages {
            #expect(PipelineSchedule(.gpipe, shape).peakInFlight(stage: stage) == 3 * stages)
            #expect(PipelineSchedule(.oneForwardOneBackward, shape).peakInFlight(stage: stage) == stages - stage)
            // No more than the first stage of 1F1B.
            #expect(PipelineSchedule(.zeroBubble, shape).peakInFlight(stage: stage) <= stages)
        }
    }

    @Test func oneStageRunsMicroBatchesOneAfterTheOther() {
        for kind in [PipelineSchedule.Kind.gpipe, .oneForwardOneBackward, .zeroBubble] {
            let schedule = PipelineSchedule(kind, PipelineShape(stages: 1, microBatches: 2))
            #expect(
                schedule.actions == [
                    [
                        PipelineAction(.forward, microBatch: 0, part: 0),
                        PipelineAction(.backward, microBatch: 0, part: 0),
                        PipelineAction(.forward, microBatch: 1, part: 0),
                        PipelineAction(.backward, microBatch: 1, part: 0),
                    ]
                ])
        }
    }

    @Test func twoStagesInFull() {
        let schedule = PipelineSchedule(.oneForwardOneBackward, PipelineShape(stages: 2, microBatches: 2))
        #expect(
            schedule.actions.map { $0.map { "\($0.kind.rawValue) \($0.microBatch)" } } == [
                [
                    "forward 0", "send-activations 0", "forward 1", "send-activations 1", "receive-gradients 0",
                    "backward 0", "receive-gradients 1", "backward 1",
                ],
                [
                    "receive-activations 0", "receive-activations 1", "forward 0", "backward 0", "send-gradients 0",
                    "forward 1", "backward 1", "send-gradients 1",
                ],
            ])
    }

    // MARK: Mistakes

    /// A schedule of two stages and two micro-batches with something changed in it.
    private func problem(
        _ kind: PipelineSchedule.Kind = .oneForwardOneBackward, _ change: (inout [[PipelineAction]]) -> Void
    ) -> String {
        let good = PipelineSchedule(kind, PipelineShape(stages: 2, microBatches: 2))
        var actions = good.actions
        change(&actions)
        do {
            try PipelineSchedule(kind, good.shape, actions: actions).check()
            return "none"
        } catch { return "\(error)" }
    }

    private func index(_ kind: PipelineAction.Kind, _ microBatch: Int, in actions: [PipelineAction]) -> Int {
        actions.firstIndex { $0.kind == kind && $0.microBatch == microBatch }!
    }

    @Test func somethingMissingIsNamed() {
        #expect(
            problem { $0[0].removeLast() }.contains("stage 0 never does backward of micro-batch 1, part 0"))
        #expect(
            problem(.zeroBubble) { $0[1].removeLast() }
                .contains("stage 1 never does backward-weight of micro-batch 1, part 1"))
        #expect(
            problem { actions in actions[1].removeAll { $0.kind == .sendGradients && $0.microBatch == 1 } }
                .contains("stage 1 never does send-gradients of micro-batch 1, part 1"))
    }

    @Test func somethingDoneTwiceOrElsewhereIsNamed() {
        #expect(problem { $0[0].append($0[0][0]) }.contains("stage 0 does forward of micro-batch 0, part 0 twice"))
        #expect(
            problem { $0[0].append(PipelineAction(.forward, microBatch: 0, part: 1)) }
                .contains("stage 0 has no part in forward of micro-batch 0, part 1"))
        #expect(
            problem { $0[0].append(PipelineAction(.backwardWeight, microBatch: 0, part: 0)) }
                .contains("which nothing asks for"))
        #expect(problem { $0.removeLast() }.contains("1 lists of actions for 2 stages"))
    }

    @Test func aWrongOrderIsNamed() {
        let early = problem { actions in
            let index = index(.backward, 0, in: actions[0])
            actions[0].insert(actions[0].remove(at: index), at: 0)
        }
        #expect(early.contains("stage 0 does backward of micro-batch 0, part 0 without forward of micro-batch 0"))
        let unordered = problem { actions in
            let (first, second) = (index(.forward, 0, in: actions[0]), index(.forward, 1, in: actions[0]))
            actions[0].swapAt(first, second)
        }
        #expect(unordered.contains("stage 0 does forward of micro-batch 1, part 0 without forward of micro-batch 0"))
    }

    /// Both stages send first: buffers might hide it, blocking messages do not.
    @Test func aCircleOfSendsIsADeadlock() {
        let crossing = problem { actions in
            // Stage 0 wants the gradient of micro-batch 0 before it sends micro-batch 1.
            let gradient = actions[0].remove(at: index(.receiveGradients, 0, in: actions[0]))
            actions[0].insert(gradient, at: index(.sendActivations, 1, in: actions[0]))
        }
        #expect(
            crossing.contains("deadlock: stage 0 waits in receive-gradients of micro-batch 0, part 0"), "\(crossing)")
        #expect(crossing.contains("stage 1 waits in receive-activations of micro-batch 1, part 1"), "\(crossing)")
    }

    @Test func messagesThatDoNotMeetAreADeadlock() {
        let swapped = problem(.gpipe) { actions in
            let (first, second) = (
                index(.receiveActivations, 0, in: actions[1]), index(.receiveActivations, 1, in: actions[1])
            )
            let early = actions[1].remove(at: second)
            actions[1].insert(early, at: first)
        }
        #expect(swapped.contains("deadlock"), "\(swapped)")
    }
}
