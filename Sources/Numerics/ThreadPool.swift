import Foundation
import Synchronization

/// Worker threads that run the tiles of one loop at a time.
///
/// The caller works too, so a pool of one thread has no workers and costs a plain loop. Tiles are handed out by an
/// atomic counter: *which* thread runs a tile varies, so a tile must write only what belongs to it, and the results
/// are then the same bits for every thread count. Workers spin for a moment after a loop, because the next one usually
/// follows within microseconds, and sleep after that.
public final class ThreadPool: @unchecked Sendable {
    /// Threads that run tiles, the caller's included.
    public let threadCount: Int

    private typealias Body = (_ tile: Int, _ thread: Int) -> Void

    // Written by the caller before `generation` is raised, read by workers after they saw it raised.
    private var body: UnsafePointer<Body>?
    private var tileCount = 0
    private var isStopping = false

    private let generation = Atomic<Int>(0)
    private let nextTile = Atomic<Int>(0)
    private let workersAtWork = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let wakeUp = NSCondition()
    private var threads: [Thread] = []

    /// Looks at the generation counter before sleeping: about 100 µs.
    private static let spinLimit = 4_000

    public init(threadCount: Int) {
        precondition(threadCount > 0, "a thread pool needs at least one thread, got \(threadCount)")
        self.threadCount = threadCount
        for index in 1..<max(threadCount, 1) {
            let thread = Thread { [unowned self] in self.work(as: index) }
            thread.stackSize = 8 << 20
            threads.append(thread)
            thread.start()
        }
    }

    /// Ends the workers. The pool runs every later loop on the caller alone.
    public func shutDown() {
        guard !threads.isEmpty else { return }
        isStopping = true
        generation.add(1, ordering: .sequentiallyConsistent)
        wakeUp.lock()
        wakeUp.broadcast()
        wakeUp.unlock()
        while threads.contains(where: { !$0.isFinished }) { usleep(50) }
        threads = []
    }

    deinit { shutDown() }

    /// Runs `body` once for each tile in `0..<tileCount`, on all threads, and returns when all are done.
    ///
    /// `thread` is in `0..<threadCount` and names the scratch memory that a tile may use.
    /// Not reentrant: `body` must not start another loop on the same pool.
    public func forEachTile(_ tileCount: Int, _ body: (_ tile: Int, _ thread: Int) -> Void) {
        guard tileCount > 1, !threads.isEmpty else {
            for tile in 0..<max(tileCount, 0) { body(tile, 0) }
            return
        }
        withoutActuallyEscaping(body) { escapable in
            withUnsafePointer(to: escapable) { pointer in
                self.body = pointer
                self.tileCount = tileCount
                nextTile.store(0, ordering: .relaxed)
                workersAtWork.store(threads.count, ordering: .relaxed)
                generation.add(1, ordering: .sequentiallyConsistent)
                if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
                    wakeUp.lock()
                    wakeUp.broadcast()
                    wakeUp.unlock()
                }
                runTiles(pointer, tileCount: tileCount, thread: 0)
                var looks = 0
                while workersAtWork.load(ordering: .acquiring) > 0 {
                    looks += 1
                    if looks > Self.spinLimit { sched_yield() }
                }
                self.body = nil
            }
        }
    }

    /// Runs `body` over `0..<count` in consecutive ranges of `tileSize` (the last may be shorter).
    public func forEachRange(
        _ count: Int, tileSize: Int, _ body: (_ range: Range<Int>, _ thread: Int) -> Void
    ) {
        let size = max(tileSize, 1)
        forEachTile((count + size - 1) / size) { tile, thread in
            body(tile * size..<min((tile + 1) * size, count), thread)
        }
    }

    // Kept out of line so that a worker holds no reference to the closure once it reports itself done.
    @inline(never)
    private func runTiles(_ body: UnsafePointer<Body>, tileCount: Int, thread: Int) {
        while true {
            let tile = nextTile.add(1, ordering: .relaxed).oldValue
            if tile >= tileCount { return }
            body.pointee(tile, thread)
        }
    }

    private func work(as index: Int) {
        var seen = 0
        while true {
            var looks = 0
            while generation.load(ordering: .acquiring) == seen {
                looks += 1
                if looks > Self.spinLimit {
                    sleepUntilGeneration(isNot: seen)
                    looks = 0
                }
            }
            seen += 1
            if isStopping { return }
            if let body { runTiles(body, tileCount: tileCount, thread: index) }
            workersAtWork.subtract(1, ordering: .releasing)
        }
    }

    private func sleepUntilGeneration(isNot seen: Int) {
        wakeUp.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while generation.load(ordering: .sequentiallyConsistent) == seen { wakeUp.wait() }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        wakeUp.unlock()
    }
}
