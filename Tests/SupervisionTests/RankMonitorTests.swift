import Supervision
import Testing

/// Who is to blame when a job does not go on, told from what its workers have said.
@Suite struct RankMonitorTests {
    private static let start = ContinuousClock.now

    private static func second(_ seconds: Double) -> RankMonitor.Time { start + .seconds(seconds) }

    private static func heartbeat(step: Int, call: Int, isRunning: Bool, phase: WorkerPhase = .training) -> Heartbeat {
        Heartbeat(
            phase: phase, step: step,
            collective: .init(kind: "all-reduce", label: "gradients", sequence: call, isRunning: isRunning),
            residentMiB: 100)
    }

    private static func monitor(ranks: Int, floor: Double = 10, ceiling: Double = 600) -> RankMonitor {
        var monitor = RankMonitor(limit: StallLimit(floor: .seconds(floor), ceiling: .seconds(ceiling)))
        for rank in 0..<ranks {
            monitor.joined(
                WorkerIdentity(rank: rank, host: "host\(rank)", processIdentifier: 100 + Int32(rank)), at: start)
        }
        return monitor
    }

    @Test func aWorkerWhoseLineBreaksIsNamedWithThoseThatWaitForIt() throws {
        var monitor = Self.monitor(ranks: 3)
        for rank in 0..<2 {
            monitor.heard(Self.heartbeat(step: 7, call: 50, isRunning: true), from: rank, at: Self.second(1))
        }
        monitor.heard(Self.heartbeat(step: 7, call: 49, isRunning: false), from: 2, at: Self.second(1))
        let lost = monitor.lost(2)
        let failure = try #require(lost)
        #expect(failure.ranks == [2])
        #expect(failure.step == 7)
        #expect(failure.cause == .died)
        #expect(
            failure.report == """
                rank 2 on host2 (process 102) died while training, in step 8, after all-reduce 'gradients', with 100 MiB resident
                  ranks 0, 1 wait in all-reduce 'gradients', which rank 2 never reached or never left
                """)
    }

    @Test func aWorkerThatSaidGoodbyeMayLeave() {
        var monitor = Self.monitor(ranks: 2)
        monitor.left(1)
        #expect(monitor.lost(1) == nil)
        #expect(monitor.examine(at: Self.second(5)) == nil)
    }

    @Test func aFrozenWorkerIsSeenAfterTheFloor() throws {
        var monitor = Self.monitor(ranks: 2)
        monitor.heard(Self.heartbeat(step: 1, call: 9, isRunning: false), from: 1, at: Self.second(1))
        for second in 1...11 {
            monitor.heard(Self.heartbeat(step: 1, call: 10, isRunning: true), from: 0, at: Self.second(Double(second)))
        }
        #expect(monitor.examine(at: Self.second(10.9)) == nil)
        let failure = try #require(monitor.examine(at: Self.second(11.5)))
        #expect(failure.ranks == [1])
        #expect(failure.report.contains("rank 1 on host1 (process 101) has not been heard of for 10.5 s"))
    }

    /// Steps of half a second: ten times that is below the floor, so that the floor holds.
    private static func trained(_ monitor: inout RankMonitor, until steps: Int, seconds: Double) {
        for step in 0..<steps {
            for rank in 0..<2 {
                monitor.heard(
                    heartbeat(step: step, call: step, isRunning: false), from: rank, at: second(Double(step) * seconds))
            }
        }
    }

    @Test func aStallIsSeenByTheRunsOwnPaceAndTheMissingRanksAreNamed() throws {
        var monitor = Self.monitor(ranks: 2)
        Self.trained(&monitor, until: 20, seconds: 2)
        // 38 s have gone by; both live on, rank 0 waits, rank 1 does something else.
        for tick in 39...70 {
            monitor.heard(Self.heartbeat(step: 20, call: 21, isRunning: true), from: 0, at: Self.second(Double(tick)))
            monitor.heard(Self.heartbeat(step: 20, call: 20, isRunning: false), from: 1, at: Self.second(Double(tick)))
        }
        #expect(
            monitor.examine(at: Self.second(58.9)) == nil, "the limit is ten times the 2 s of a step, from second 39")
        let failure = try #require(monitor.examine(at: Self.second(70)))
        #expect(failure.ranks == [1])
        #expect(failure.cause == .stalled(.seconds(31)))
        #expect(failure.report.contains("rank 0 waits in all-reduce 'gradients', which rank 1 never reached"))
    }

    @Test func aPhaseThatNothingIsKnownOfGetsTheCeiling() {
        var monitor = Self.monitor(ranks: 2, ceiling: 100)
        Self.trained(&monitor, until: 20, seconds: 0.5)
        for tick in 10...115 {
            for rank in 0..<2 {
                monitor.heard(
                    Self.heartbeat(step: 20, call: 21, isRunning: false, phase: .evaluating), from: rank,
                    at: Self.second(Double(tick)))
            }
        }
        #expect(monitor.examine(at: Self.second(109)) == nil)
        #expect(monitor.examine(at: Self.second(115))?.ranks == [0, 1])
    }

    @Test func anAdvancingWorkerExcusesThoseThatWaitForIt() {
        var monitor = Self.monitor(ranks: 2)
        Self.trained(&monitor, until: 20, seconds: 0.5)
        for tick in 10...100 {
            monitor.heard(Self.heartbeat(step: 20, call: 21, isRunning: true), from: 0, at: Self.second(Double(tick)))
            monitor.heard(
                Self.heartbeat(step: 20, call: 21 + tick, isRunning: false), from: 1, at: Self.second(Double(tick)))
        }
        #expect(monitor.examine(at: Self.second(100)) == nil)
    }

    @Test func aCoordinatorThatSleptBlamesNobody() {
        var monitor = Self.monitor(ranks: 2)
        monitor.forgive(.seconds(60))
        #expect(monitor.examine(at: Self.second(65)) == nil)
        #expect(monitor.examine(at: Self.second(71)) != nil)
    }
}
