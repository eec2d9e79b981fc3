import Foundation
import Numerics
import Synchronization
import TestSupport
import Testing

/// One recorder serves the process, so its tests take turns; other suites' threads may record meanwhile.
@Suite(.serialized) struct ProfilerTests {
    /// The events of this thread while `body` ran.
    private func record(capacity: Int = 1 << 12, _ body: () -> Void) throws -> (events: [Trace.Event], trace: Trace) {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        Profiler.start(Trace(capacity: capacity))
        body()
        let trace = try #require(Profiler.stop())
        return (trace.events.filter { $0.thread == UInt(pthread_self()) }, trace)
    }

    @Test func nothingIsRecordedUnlessAsked() throws {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        Profiler.span(.phase, "before") {}
        #expect(!Profiler.isRecording)
        #expect(Profiler.stop() == nil)
        let early = Profiler.mark()
        let (events, _) = try record {
            Profiler.record(since: early, .phase, "began before")
            Profiler.span(.phase, "inside") {}
        }
        #expect(events.map { "\($0.name)" } == ["inside"])
    }

    @Test func spansNest() throws {
        let (events, _) = try record {
            Profiler.span(.step, "outer") {
                Profiler.span(.phase, "first") { _ = usleep(200) }
                Profiler.span(.phase, "second", work: Trace.Work(operations: 5, bytes: 7)) {}
            }
        }
        #expect(events.map { "\($0.name)" } == ["first", "second", "outer"])
        let (first, second, outer) = (events[0], events[1], events[2])
        #expect(outer.start <= first.start && first.end <= second.start && second.end <= outer.end)
        #expect(first.end - first.start >= 200_000)
        #expect(second.work == Trace.Work(operations: 5, bytes: 7))
    }

    @Test func aSpanThatThrowsIsRecorded() throws {
        let (events, _) = try record {
            try? Profiler.span(.phase, "failing") { throw ApusError("a", "b") }
        }
        #expect(events.map { "\($0.name)" } == ["failing"])
    }

    @Test func whatDoesNotFitIsCounted() throws {
        let trace = Trace(capacity: 3)
        let event = Trace.Event(
            kind: .phase, name: "span", label: nil, shape: .none, work: .init(), start: 1, end: 2, waiting: 0, idle: 0,
            memory: nil, thread: 0)
        for _ in 0..<8 { trace.append(event) }
        #expect(trace.events.count == 3)
        #expect(trace.droppedCount == 5)
    }

    @Test func labelsAreNumberedOnce() {
        let trace = Trace(capacity: 1)
        #expect(trace.number(of: "loss") == 0)
        #expect(trace.number(of: "gradients 1") == 1)
        #expect(trace.number(of: "loss") == 0)
        #expect(trace.labels == ["loss", "gradients 1"])
        for index in 0..<10_000 { _ = trace.number(of: "label \(index)") }
        #expect(trace.labels.count == 4096)
        #expect(trace.number(of: "one more") == nil)
        #expect(trace.number(of: "loss") == 0)
    }

    @Test func threadsRecordSideBySide() throws {
        profilerTurn.lock()
        defer { profilerTurn.unlock() }
        Profiler.start(Trace())
        let present = Atomic<Int>(0)
        let threads = (0..<4).map { _ in
            Thread {
                // One that ends before another begins would hand it its number.
                present.add(1, ordering: .relaxed)
                while present.load(ordering: .relaxed) < 4 { usleep(100) }
                for _ in 0..<500 { Profiler.span(.phase, "of several") {} }
                present.add(1, ordering: .relaxed)
                while present.load(ordering: .relaxed) < 8 { usleep(100) }
            }
        }
        for thread in threads { thread.start() }
        while !threads.allSatisfy(\.isFinished) { usleep(500) }
        let trace = try #require(Profiler.stop())
        let events = trace.events.filter { "\($0.name)" == "of several" }
        #expect(events.count == 2000)
        #expect(Set(events.map(\.thread)).count == 4)
    }

    @Test func idleThreadsAreCounted() throws {
        let pool = ThreadPool(threadCount: 3)
        let (events, _) = try record {
            // One tile has work for 20 ms, the other threads have none.
            Profiler.span(.phase, "uneven", pool: pool) {
                pool.forEachTile(3) { tile, _ in if tile == 0 { usleep(20_000) } }
            }
            Profiler.span(.phase, "caller alone", pool: pool) { _ = usleep(10_000) }
        }
        let uneven = events[0]
        #expect(uneven.idle >= 20_000_000)
        #expect(uneven.idle <= 3 * (uneven.end - uneven.start))
        let alone = events[1]
        #expect(alone.idle == 2 * (alone.end - alone.start))
    }
}
