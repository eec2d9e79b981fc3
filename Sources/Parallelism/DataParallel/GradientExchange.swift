import Collectives
import Numerics

/// Sums gradients over the replicas of a model, and shares out the work that follows among those of a host.
///
/// The loss is scaled by the tokens of the whole global batch, so the sum over replicas is already the average.
///
/// Replicas on one host have parameters and optimizer state once between them. Each takes a share of the flat buffers:
/// it sums the gradients there, and afterwards updates the parameters there. On one host a gradient is so read once by
/// one rank, and nothing is ever copied.
public final class GradientExchange {
    /// The tiles that this rank sums and updates, a range of those that `init` was given.
    public let share: Range<Int>

    private let communicator: any Communicator
    private let memory: ReplicaMemory
    private let sum: ReplicaSum
    private let tiles: [Range<Int>]

    /// Collective over `communicator`.
    ///
    /// - Parameters:
    ///   - memory: Has the gradients as its parts.
    ///   - tiles: Consecutive ranges of the gradients, small enough for a core's cache.
    ///   - threads: How many threads will work on it at a time.
    public init(_ communicator: any Communicator, memory: ReplicaMemory, tiles: [Range<Int>], threads: Int) {
        self.communicator = communicator
        self.memory = memory
        self.tiles = tiles
        sum = communicator.makeReplicaSum(of: memory, threads: threads)
        share = Self.shares(of: tiles, count: memory.sharerCount)[memory.index]
    }

    /// Cuts tiles into consecutive runs of nearly the same number of elements.
    package static func shares(of tiles: [Range<Int>], count: Int) -> [Range<Int>] {
        let elements = tiles.reduce(0) { $0 + $1.count }
        var ends: [Int] = []
        var before = 0
        for (index, tile) in tiles.enumerated() {
            // A tile belongs to the run that its middle lies in.
            while ends.count < count - 1, before + tile.count / 2 >= elements * (ends.count + 1) / count {
                ends.append(index)
            }
            before += tile.count
        }
        ends += Array(repeating: tiles.count, count: count - ends.count)
        return zip([0] + ends, ends).map { $0..<$1 }
    }

    /// The summed gradients, from the flat buffer's beginning; where ranks share memory only this rank's share of them.
    public var gradients: UnsafePointer<Float> { UnsafePointer(sum.total) }

    /// Sums the gradients of all replicas and calls `body` with each tile of this rank's share while it is in the cache.
    ///
    /// When it returns, all replicas of this host have done so too.
    public func sum(on pool: ThreadPool, _ body: (_ tile: Int) -> Void) {
        sum.perform("gradients") {
            communicator.hostBarrier(label: "gradients computed")
            forEachTile(on: pool) { tile, thread in
                sum.sumOnHost(tiles[tile], thread: thread)
                if !sum.spansHosts { body(tile) }
            }
            guard sum.spansHosts else { return }
            communicator.hostBarrier(label: "gradients summed on this host")
            if sum.exchanges { sum.exchangeBetweenHosts(0..<memory.part.count) }
            communicator.hostBarrier(label: "gradients summed over all hosts")
            forEachTile(on: pool) { tile, _ in body(tile) }
        }
        communicator.hostBarrier(label: "gradients")
    }

    /// Waits until all replicas of this host have updated their shares of the parameters.
    public func finishUpdate() { communicator.hostBarrier(label: "parameters updated") }

    private func forEachTile(on pool: ThreadPool, _ body: (_ tile: Int, _ thread: Int) -> Void) {
        let first = share.lowerBound
        pool.forEachTile(share.count) { tile, thread in body(first + tile, thread) }
    }
}
