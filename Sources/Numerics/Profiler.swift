import Foundation
import Synchronization

/// Where a process records what it spends its time on, while someone wants to know.
///
/// Nothing is recorded, at the price of one branch a span, until `start(_:)`. Spans may come from any thread; those of
/// one thread nest. A span is two calls, `mark` at its beginning and `record` at its end, or one `span` around it.
public enum Profiler {
    private static let flag = Atomic<Bool>(false)
    private static let trace = Mutex<Trace?>(nil)

    public static var isRecording: Bool { flag.load(ordering: .relaxed) }

    /// Records into `trace` from here on.
    public static func start(_ trace: Trace) {
        Self.trace.withLock { $0 = trace }
        flag.store(true, ordering: .relaxed)
    }

    /// Ends recording and gives back what was recorded, nil if nothing was being recorded.
    public static func stop() -> Trace? {
        flag.store(false, ordering: .relaxed)
        return trace.withLock { trace in
            defer { trace = nil }
            return trace
        }
    }

    /// Nanoseconds of the clock that spans are timed by; processes of one host share it.
    public static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// The beginning of a span.
    public struct Mark: BitwiseCopyable, Sendable {
        /// 0 where nothing was being recorded.
        let time: UInt64
        let pool: ThreadPool.Meter
    }

    /// - Parameter pool: Whose threads' idle time belongs to the span.
    public static func mark(_ pool: ThreadPool? = nil) -> Mark {
        guard isRecording else { return Mark(time: 0, pool: .init()) }
        return Mark(time: now, pool: pool?.meter ?? .init())
    }

    /// The number that stands for a label in `record`.
    public static func number(of label: String) -> Int? {
        trace.withLock { $0?.number(of: label) }
    }

    /// Ends the span that began at `mark`; does nothing where nothing is or was being recorded.
    public static func record(
        since mark: Mark, _ kind: Trace.Kind, _ name: StaticString, label: Int? = nil, shape: Trace.Shape = .none,
        work: Trace.Work = .init(), waiting: UInt64 = 0, pool: ThreadPool? = nil, memory: Trace.Memory? = nil
    ) {
        guard mark.time != 0, isRecording else { return }
        let end = now
        let idle = pool.map { $0.meter.idle(since: mark.pool, wall: end - mark.time, threads: $0.threadCount) } ?? 0
        trace.withLock {
            $0?.append(
                Trace.Event(
                    kind: kind, name: name, label: label, shape: shape, work: work, start: mark.time, end: end,
                    waiting: waiting, idle: idle, memory: memory, thread: UInt(pthread_self())))
        }
    }

    /// Runs `body` as a span.
    public static func span<Result>(
        _ kind: Trace.Kind, _ name: StaticString, work: Trace.Work = .init(), pool: ThreadPool? = nil,
        _ body: () throws -> Result
    ) rethrows -> Result {
        let mark = mark(pool)
        defer { record(since: mark, kind, name, work: work, pool: pool) }
        return try body()
    }
}
