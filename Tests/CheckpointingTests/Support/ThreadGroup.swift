import Collectives
import Foundation

/// Ranks that are threads of this process, for saves by several ranks without MPI.
///
/// Checkpoints use one collective only; the others end the test.
final class ThreadGroup: @unchecked Sendable {
    private let condition = NSCondition()
    private let size: Int
    private var contributions: [[UInt8]?]
    private var gathered: [[UInt8]] = []
    private var arrived = 0
    private var generation = 0

    init(size: Int) {
        self.size = size
        contributions = Array(repeating: nil, count: size)
    }

    func gather(_ bytes: [UInt8], rank: Int) -> [[UInt8]] {
        condition.lock()
        defer { condition.unlock() }
        contributions[rank] = bytes
        arrived += 1
        let mine = generation
        if arrived == size {
            gathered = contributions.map { $0! }
            arrived = 0
            generation += 1
            condition.broadcast()
            return gathered
        }
        while generation == mine { condition.wait() }
        return gathered
    }

    /// Runs `body` once on each rank, all at the same time, and returns their results in rank order.
    static func run<Value>(
        ranks: Int, _ body: @escaping (_ communicator: any Communicator) throws -> Value
    ) -> [Result<Value, any Error>] {
        let shared = SharedRun(ranks: ranks, body)
        let group = ThreadGroup(size: ranks)
        let lock = NSLock()
        let finished = DispatchGroup()
        for rank in 0..<ranks {
            finished.enter()
            let thread = Thread {
                let result = Result { try shared.body(Rank(group: group, rank: rank)) }
                lock.withLock { shared.results[rank] = result }
                finished.leave()
            }
            thread.start()
        }
        finished.wait()
        return lock.withLock { shared.results.map { $0! } }
    }

    private final class Rank: Communicator {
        let group: ThreadGroup
        let rank: Int
        var size: Int { group.size }
        var volume: CommunicationVolume { CommunicationVolume() }

        init(group: ThreadGroup, rank: Int) {
            self.group = group
            self.rank = rank
        }

        func gatherToAll(_ bytes: [UInt8], label: String) -> [[UInt8]] { group.gather(bytes, rank: rank) }

        func allReduce(_: UnsafeMutableBufferPointer<Float>, _: Reduction, label: String) { unused(label) }
        func allReduce(_: UnsafeMutableBufferPointer<Double>, _: Reduction, label: String) { unused(label) }
        func allReduce(_: UnsafeMutableBufferPointer<Int64>, _: Reduction, label: String) { unused(label) }
        func reduceScatter(_: UnsafeMutableBufferPointer<Float>, _: Reduction, label: String) { unused(label) }
        func allGather(_: UnsafeMutableBufferPointer<Float>, label: String) { unused(label) }
        func broadcast(_: UnsafeMutableRawBufferPointer, from root: Int, label: String) { unused(label) }
        func allToAll(
            _: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<Float>, label: String
        ) { unused(label) }
        func send(_: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String) { unused(label) }
        func receive(_: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String) { unused(label) }
        func startSend(_: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String) -> Transfer {
            unused(label)
        }
        func startReceive(_: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String) -> Transfer {
            unused(label)
        }
        func finish(_: Transfer, label: String) { unused(label) }
        func barrier(label: String) { unused(label) }
        func split(color: Int, key: Int) -> any Communicator { unused("split") }
        func allocate(_ count: Int, label: String) -> UnsafeMutableBufferPointer<Float> { unused(label) }

        private func unused(_ label: String) -> Never {
            preconditionFailure("checkpoints were not expected to use this collective (\(label))")
        }
    }
}

/// What the threads of one run share: a closure that they only call, and results behind a lock.
private final class SharedRun<Value>: @unchecked Sendable {
    let body: (any Communicator) throws -> Value
    var results: [Result<Value, any Error>?]

    init(ranks: Int, _ body: @escaping (any Communicator) throws -> Value) {
        self.body = body
        results = Array(repeating: nil, count: ranks)
    }
}
