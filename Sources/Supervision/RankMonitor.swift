/// What is known of every worker of a job, and whether one of them is dead or hangs.
///
/// Pure: told of events with the time at which they happened, so that tests need no clock.
public struct RankMonitor: Sendable {
    public typealias Time = ContinuousClock.Instant

    struct Rank: Sendable {
        var identity: WorkerIdentity
        var heartbeat: Heartbeat?
        var lastHeard: Time
        var lastProgress: Time
        var hasLeft = false
    }

    /// What ends a job.
    public struct Failure: Hashable, Sendable {
        public enum Cause: Hashable, Sendable {
            /// The worker's connection closed without a word.
            case died
            /// Nothing is heard of the worker any more, although its connection stands.
            case silent(Duration)
            /// The worker lives, but nothing goes on.
            case stalled(Duration)
        }

        public var cause: Cause
        public var ranks: [Int]
        /// Steps that all workers had done, as far as they said.
        public var step: Int
        /// The whole report for the user.
        public var report: String
    }

    private var ranks: [Int: Rank] = [:]
    var entries: [Int: Rank] { ranks }
    private var limit: StallLimit

    public init(limit: StallLimit) { self.limit = limit }

    public var identities: [WorkerIdentity] { ranks.values.map(\.identity).sorted { $0.rank < $1.rank } }

    /// The lowest step that a worker has told of.
    public var step: Int { ranks.values.compactMap { $0.heartbeat?.step }.min() ?? 0 }

    public mutating func joined(_ identity: WorkerIdentity, at time: Time) {
        ranks[identity.rank] = Rank(identity: identity, lastHeard: time, lastProgress: time)
    }

    public mutating func heard(_ heartbeat: Heartbeat, from rank: Int, at time: Time) {
        guard var entry = ranks[rank] else { return }
        if let earlier = entry.heartbeat {
            if heartbeat.hasAdvanced(since: earlier) {
                limit.observe(time - entry.lastProgress, in: earlier.phase)
                entry.lastProgress = time
            }
        } else {
            entry.lastProgress = time
        }
        entry.heartbeat = heartbeat
        entry.lastHeard = time
        ranks[rank] = entry
    }

    /// The worker said that it leaves.
    public mutating func left(_ rank: Int) { ranks[rank]?.hasLeft = true }

    public var hasEveryoneLeft: Bool { !ranks.isEmpty && ranks.values.allSatisfy(\.hasLeft) }

    /// The worker's connection closed.
    public mutating func lost(_ rank: Int) -> Failure? {
        guard let entry = ranks[rank], !entry.hasLeft else { return nil }
        return failure(.died, [rank])
    }

    /// The coordinator itself was asleep for this long: nobody can be blamed for that.
    public mutating func forgive(_ time: Duration) {
        for rank in ranks.keys {
            ranks[rank]!.lastHeard += time
            ranks[rank]!.lastProgress += time
        }
    }

    /// Looks for workers that are silent or stalled.
    public func examine(at time: Time) -> Failure? {
        let present = ranks.filter { !$0.value.hasLeft }
        let silent = present.filter { time - $0.value.lastHeard > limit.floor }
        if !silent.isEmpty {
            let longest = silent.values.map { time - $0.lastHeard }.max()!
            return failure(.silent(longest), silent.keys.sorted())
        }
        let stalled = present.values.filter { entry in
            guard let heartbeat = entry.heartbeat else { return time - entry.lastProgress > limit.ceiling }
            return time - entry.lastProgress > limit.limit(in: heartbeat.phase)
        }
        // While any worker advances, those that wait for it are in order.
        guard !stalled.isEmpty, stalled.count == present.count else { return nil }
        return failure(.stalled(stalled.map { time - $0.lastProgress }.min()!), missing(in: present))
    }

    /// Ranks that have not come to the collective in which others wait; all ranks where nobody waits.
    private func missing(in present: [Int: Rank]) -> [Int] {
        let furthest = present.values.compactMap { $0.heartbeat?.collective }.filter(\.isRunning).map(\.sequence).max()
        guard let furthest else { return present.keys.sorted() }
        let missing = present.filter { rank in
            guard let collective = rank.value.heartbeat?.collective else { return true }
            return collective.sequence < furthest
        }
        return missing.isEmpty ? present.keys.sorted() : missing.keys.sorted()
    }
}
