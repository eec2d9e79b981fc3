import Collectives
import Foundation

/// Sums buckets of gradients over all replicas in a thread of its own, in the order in which they are completed.
///
/// Every rank has such a thread. It waits until all sharers have completed a bucket and sums its part of it; that of the
/// rank that exchanges then waits until the whole bucket is summed on the host and exchanges it with other hosts. Ranks
/// learn of each other's progress by counters in the memory that they share, so that no computing thread ever waits.
/// The thread sleeps whenever there is nothing to do: computing threads have the cores.
final class BackgroundSum: @unchecked Sendable {
    private let sum: ReplicaSum
    private let memory: ReplicaMemory
    /// For each bucket: its range, and the part of it that this rank sums.
    private let buckets: [(whole: Range<Int>, mine: Range<Int>)]
    private let thread: Int

    private let condition = NSCondition()
    private var requestedSteps = 0
    private var isStopping = false

    /// - Parameters:
    ///   - thread: A thread index of `sum` that nobody else uses.
    init(_ sum: ReplicaSum, memory: ReplicaMemory, buckets: [(whole: Range<Int>, mine: Range<Int>)], thread: Int) {
        self.sum = sum
        self.memory = memory
        self.buckets = buckets
        self.thread = thread
        let worker = Thread { self.work() }
        worker.name = "gradients"
        worker.start()
    }

    /// Ends the thread; nothing may be under way.
    func stop() {
        condition.withLock {
            isStopping = true
            condition.signal()
        }
    }

    /// Begins a step in which no bucket is complete.
    func begin() {
        condition.withLock {
            requestedSteps += 1
            condition.signal()
        }
    }

    /// Tells that this rank has completed the step's first `count` buckets.
    func complete(_ count: Int) {
        let steps = UInt64(requestedSteps - 1)
        memory.setProgress(.computed, steps * UInt64(buckets.count) + UInt64(count))
    }

    /// Waits until every bucket of the step is summed; on a single host, those of this rank's parts.
    func wait() {
        let all = UInt64(requestedSteps * buckets.count)
        if sum.spansHosts {
            Self.sleep { memory.progress(.exchanged, of: 0) >= all }
        } else {
            Self.sleep { memory.progress(.summed, of: memory.index) >= all }
        }
    }

    private func work() {
        var serial: UInt64 = 0
        var steps = 0
        while waitForStep(after: steps) {
            steps += 1
            for bucket in buckets {
                serial += 1
                waitForAll(.computed, serial)
                sum.sumOnHost(bucket.mine, thread: thread)
                memory.setProgress(.summed, serial)
                guard sum.exchanges else { continue }
                waitForAll(.summed, serial)
                sum.exchangeBetweenHosts(bucket.whole, sleeps: true)
                memory.setProgress(.exchanged, serial)
            }
        }
    }

    private func waitForStep(after steps: Int) -> Bool {
        condition.withLock {
            while requestedSteps == steps, !isStopping { condition.wait() }
            return requestedSteps > steps
        }
    }

    private func waitForAll(_ progress: ReplicaMemory.Progress, _ value: UInt64) {
        Self.sleep { (0..<memory.sharerCount).allSatisfy { memory.progress(progress, of: $0) >= value } }
    }

    private static func sleep(until condition: () -> Bool) {
        while !condition() { usleep(200) }
    }
}
