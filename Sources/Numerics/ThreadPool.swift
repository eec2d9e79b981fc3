import CClosures

/// Worker threads that run the tiles of one loop at a time.
///
/// The caller works too, so a pool of one thread has no workers and costs a plain loop. Tiles are handed out by an
/// atomic counter: *which* thread runs a tile varies, so a tile must write only what belongs to it, and the results
/// are then the same bits for every thread count. The workers end with the pool.
public final class ThreadPool: Sendable {
    /// Threads that run tiles, the caller's included.
    public let threadCount: Int

    private let crew: ThreadCrew?
    private let memory = Workspace()

    public init(threadCount: Int) {
        precondition(threadCount > 0, "a thread pool needs at least one thread, got \(threadCount)")
        self.threadCount = threadCount
        crew = threadCount > 1 ? ThreadCrew(workers: threadCount - 1) : nil
    }

    deinit { shutDown() }

    /// Ends the workers. The pool runs every later loop on the caller alone.
    public func shutDown() { crew?.shutDown() }

    /// Memory for the loop that the caller is about to run, uninitialised and aligned to cache lines.
    ///
    /// It belongs to the pool, grows to the largest that was asked for, and is the same every time: what one loop left
    /// there the next may overwrite.
    public func workspace(floats: Int) -> UnsafeMutablePointer<Float> { memory.reserve(floats) }

    /// How long the pool ran loops while `Profiler` was recording, for the thread that runs them.
    var meter: Meter { crew?.meter ?? Meter() }

    /// What threads did with their time, in nanoseconds.
    struct Meter: BitwiseCopyable, Sendable {
        private var loops: UInt64 = 0
        /// Added up over the threads: until the first tile, and from the last one to the end of the loop.
        private var idleInLoops: UInt64 = 0

        mutating func add(loop: UInt64, busy: UInt64, threads: Int) {
            loops += loop
            let available = loop * UInt64(threads)
            idleInLoops += available - min(busy, available)
        }

        /// Idle time of all threads in a span of `wall`, outside of whose loops the caller alone has work.
        func idle(since earlier: Meter, wall: UInt64, threads: Int) -> UInt64 {
            let outside = wall - min(loops - earlier.loops, wall)
            return idleInLoops - earlier.idleInLoops + outside * UInt64(threads - 1)
        }
    }

    /// Runs `body` once for each tile in `0..<tileCount`, on all threads, and returns when all are done.
    ///
    /// `thread` is in `0..<threadCount` and names the scratch memory that a tile may use.
    /// Not reentrant, and for one caller at a time: `body` must not start another loop on the same pool.
    public func forEachTile(_ tileCount: Int, _ body: (_ tile: Int, _ thread: Int) -> Void) {
        guard tileCount > 1, let crew, crew.isRunning else {
            for tile in 0..<max(tileCount, 0) { body(tile, 0) }
            return
        }
        crew.run(makeTileBody(body), tileCount: tileCount)
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
}

/// Used by the one thread that starts the pool's loops.
private final class Workspace: @unchecked Sendable {
    private var memory: UnsafeMutablePointer<Float>?
    private var capacity = 0

    deinit {
        if let memory { Arena.deallocate(memory) }
    }

    func reserve(_ floats: Int) -> UnsafeMutablePointer<Float> {
        if let memory, floats <= capacity { return memory }
        if let memory { Arena.deallocate(memory) }
        let larger = Arena.allocateAligned(floats)
        memory = larger
        capacity = floats
        return larger
    }
}

/// A closure as other threads can call it while the function that got it has not returned. `withoutActuallyEscaping`
/// would make an object on the heap for every loop.
@_silgen_name("apus_make_tile_body")
private func makeTileBody(_ body: (_ tile: Int, _ thread: Int) -> Void) -> apus_tile_body
