import CClosures
import Foundation
import Synchronization

/// The threads of a `ThreadPool` and what they share with the caller.
///
/// A class of its own, because its threads keep it alive: the pool can then go when its last user does, and end them.
/// Workers spin for a moment after a loop, because the next one usually follows within microseconds, and sleep after
/// that.
final class ThreadCrew: @unchecked Sendable {
    // Written by the caller before `generation` is raised, read by workers after they saw it raised.
    private var body: apus_tile_body?
    private var tileCount = 0
    private var isStopping = false
    private var isMetered = false

    private let generation = Atomic<Int>(0)
    private let nextTile = Atomic<Int>(0)
    private let workersAtWork = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    /// Nanoseconds that workers spent on the tiles of a metered loop.
    private let workersBusy = Atomic<UInt64>(0)
    /// Of all metered loops so far; the caller's alone.
    private(set) var meter = ThreadPool.Meter()
    private let wakeUp = NSCondition()
    private var threads: [Thread] = []

    /// How long a thread that waits keeps its core.
    private static let spinNanoseconds: UInt64 = 50_000
    /// Looks at an atomic between two looks at the clock.
    private static let looksPerClock = 256

    init(workers: Int) {
        for index in 1...workers {
            let thread = Thread { self.work(as: index) }
            thread.stackSize = 8 << 20
            threads.append(thread)
        }
        for thread in threads { thread.start() }
    }

    var isRunning: Bool { !threads.isEmpty }

    func shutDown() {
        guard !threads.isEmpty else { return }
        isStopping = true
        workersAtWork.store(threads.count, ordering: .relaxed)
        raiseGeneration()
        while workersAtWork.load(ordering: .acquiring) > 0 { usleep(20) }
        threads = []
    }

    func run(_ body: apus_tile_body, tileCount: Int) {
        precondition(self.body == nil, "a tile started another loop on its own thread pool")
        self.body = body
        self.tileCount = tileCount
        isMetered = Profiler.isRecording
        let start = isMetered ? Profiler.now : 0
        workersBusy.store(0, ordering: .relaxed)
        nextTile.store(0, ordering: .relaxed)
        workersAtWork.store(threads.count, ordering: .relaxed)
        raiseGeneration()
        runTiles(body, tileCount: tileCount, thread: 0)
        let callerEnd = isMetered ? Profiler.now : 0
        while !spin(until: { workersAtWork.load(ordering: .acquiring) == 0 }) { sched_yield() }
        self.body = nil
        guard isMetered else { return }
        let busy = callerEnd - start + workersBusy.load(ordering: .relaxed)
        meter.add(loop: Profiler.now - start, busy: busy, threads: threads.count + 1)
    }

    private func raiseGeneration() {
        generation.add(1, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
            wakeUp.lock()
            wakeUp.broadcast()
            wakeUp.unlock()
        }
    }

    private func runTiles(_ body: apus_tile_body, tileCount: Int, thread: Int) {
        while true {
            let tile = nextTile.add(1, ordering: .relaxed).oldValue
            if tile >= tileCount { return }
            apus_call_tile_body(body, tile, thread)
        }
    }

    private func work(as index: Int) {
        var seen = 0
        while true {
            if !spin(until: { generation.load(ordering: .acquiring) != seen }) { sleepUntilGeneration(isNot: seen) }
            seen += 1
            let isStopping = isStopping
            let start = isMetered ? Profiler.now : 0
            if !isStopping, let body { runTiles(body, tileCount: tileCount, thread: index) }
            if isMetered { workersBusy.add(Profiler.now - start, ordering: .relaxed) }
            workersAtWork.subtract(1, ordering: .releasing)
            if isStopping { return }
        }
    }

    /// Whether `condition` came true before the time was up.
    @inline(__always)
    private func spin(until condition: () -> Bool) -> Bool {
        for _ in 0..<Self.looksPerClock where condition() { return true }
        let start = Profiler.now
        while Profiler.now - start < Self.spinNanoseconds {
            for _ in 0..<Self.looksPerClock where condition() { return true }
        }
        return false
    }

    private func sleepUntilGeneration(isNot seen: Int) {
        wakeUp.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while generation.load(ordering: .sequentiallyConsistent) == seen { wakeUp.wait() }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        wakeUp.unlock()
    }
}
