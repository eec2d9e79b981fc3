import Autograd
import Collectives
import Numerics

/// Sums gradients over the replicas of a model, and shares out the work that follows among those of a host.
///
/// The loss is scaled by the tokens of the whole global batch, so the sum over replicas is already the average.
///
/// Replicas on one host have parameters and optimizer state once between them. Each takes a share of the flat buffers:
/// it sums the gradients there, and afterwards updates the parameters there. On one host a gradient is so read once by
/// one rank, and nothing is ever copied. Between hosts, one rank of each exchanges the sums of all, bucket by bucket, and
/// where that pays already while the backward pass goes on: see `BackgroundSum`.
public final class GradientExchange {
    /// The tiles that this rank updates, a range of those that `init` was given.
    public let share: Range<Int>
    /// Set where the configuration asks for something that cannot be had here: what, and what to do.
    public let notice: String?

    private let communicator: any Communicator
    private let memory: ReplicaMemory
    private let sum: ReplicaSum
    private let tiles: [Range<Int>]
    private let buckets: GradientBuckets
    /// Present where the exchange overlaps the backward pass.
    private let background: BackgroundSum?
    /// Whether the backward pass under way is the step's last, which completes the gradients.
    private var isLastPass = false
    private var completeBuckets = 0

    /// Collective over `communicator`.
    ///
    /// - Parameters:
    ///   - memory: Has the gradients as its parts.
    ///   - tiles: Consecutive ranges of the gradients, small enough for a core's cache.
    ///   - layerStarts: Elements of the gradients for which `complete(from:)` will be called.
    ///   - threads: How many threads will work on it at a time.
    public init(
        _ communicator: any Communicator, memory: ReplicaMemory, tiles: [Range<Int>], layerStarts: [Int],
        threads: Int, _ configuration: GradientExchangeConfiguration
    ) {
        self.communicator = communicator
        self.memory = memory
        self.tiles = tiles
        // One more thread index for the background.
        sum = communicator.makeReplicaSum(of: memory, threads: threads + 1, wireFormat: configuration.wireFormat)
        share = Self.shares(of: tiles, count: memory.sharerCount)[memory.index]
        buckets = GradientBuckets(count: memory.part.count, starts: layerStarts)
        let isWanted =
            communicator.size > 1
            && (configuration.overlap == .on || (configuration.overlap == .automatic && sum.spansHosts))
        let isPossible = !sum.spansHosts || MPIRuntime.supportsConcurrentCalls
        notice =
            isWanted && !isPossible
            ? """
            the MPI library does not let several threads call it (MPI_THREAD_MULTIPLE): gradients are exchanged after \
            the backward pass, not during it
            """ : nil
        background =
            isWanted && isPossible
            ? BackgroundSum(
                sum, memory: memory,
                buckets: Self.parts(
                    of: buckets, memory: memory, spansHosts: sum.spansHosts,
                    share: Self.elements(of: share, tiles)), thread: threads) : nil
    }

    deinit { background?.stop() }

    public var overlaps: Bool { background != nil }

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

    /// From the first to the last element of some tiles.
    package static func elements(of share: Range<Int>, _ tiles: [Range<Int>]) -> Range<Int> {
        share.isEmpty ? 0..<0 : tiles[share.lowerBound].lowerBound..<tiles[share.upperBound - 1].upperBound
    }

    /// What this rank sums of every bucket. On a single host that is what it will update; sums that are exchanged are
    /// with the rank that exchanges them, and all sharers divide each bucket evenly.
    private static func parts(
        of buckets: GradientBuckets, memory: ReplicaMemory, spansHosts: Bool, share: Range<Int>
    ) -> [(whole: Range<Int>, mine: Range<Int>)] {
        buckets.ranges.map { bucket in
            guard spansHosts else { return (bucket, bucket.clamped(to: share)) }
            func border(_ index: Int) -> Int { bucket.lowerBound + bucket.count * index / memory.sharerCount }
            return (bucket, border(memory.index)..<border(memory.index + 1))
        }
    }

    /// The elements that this rank updates.
    public var sharedElements: Range<Int> { Self.elements(of: share, tiles) }

    /// The summed gradients, from the flat buffer's beginning; where ranks share memory only this rank's share of them.
    public var gradients: UnsafePointer<Float> { UnsafePointer(sum.total) }

    /// Tells that the next backward pass completes this rank's gradients.
    public func beginLastPass() {
        guard let background else { return }
        isLastPass = true
        completeBuckets = 0
        background.begin()
    }

    /// Tells that all gradients from an element on are complete, if this is the last pass.
    public func complete(from start: Int) {
        guard let background, isLastPass else { return }
        let count = buckets.complete(from: start)
        guard count > completeBuckets else { return }
        completeBuckets = count
        background.complete(count)
    }

    /// Whether `complete(from:)` means anything now.
    var needsCompletion: Bool { isLastPass }

    /// Sums the gradients of all replicas and calls `body` with each tile of this rank's share, on a single host while it
    /// is in the cache.
    ///
    /// When it returns, all replicas of this host have done so too.
    public func sum(on pool: ThreadPool, _ body: (_ tile: Int) -> Void) {
        sum.perform("gradients") {
            if let background {
                if !isLastPass { beginLastPass() }
                complete(from: 0)
                isLastPass = false
                background.wait()
                forEachTile(on: pool) { tile, _ in body(tile) }
            } else {
                sumInForeground(on: pool, body)
            }
        }
        communicator.hostBarrier(label: "gradients")
    }

    private func sumInForeground(on pool: ThreadPool, _ body: (_ tile: Int) -> Void) {
        communicator.hostBarrier(label: "gradients computed")
        forEachTile(on: pool) { tile, thread in
            sum.sumOnHost(tiles[tile], thread: thread)
            if !sum.spansHosts { body(tile) }
        }
        guard sum.spansHosts else { return }
        communicator.hostBarrier(label: "gradients summed on this host")
        if sum.exchanges {
            for bucket in buckets.ranges { sum.exchangeBetweenHosts(bucket) }
        }
        communicator.hostBarrier(label: "gradients summed over all hosts")
        forEachTile(on: pool) { tile, _ in body(tile) }
    }

    /// Waits until all replicas of this host have updated their shares of the parameters.
    public func finishUpdate() { communicator.hostBarrier(label: "parameters updated") }

    private func forEachTile(on pool: ThreadPool, _ body: (_ tile: Int, _ thread: Int) -> Void) {
        let first = share.lowerBound
        pool.forEachTile(share.count) { tile, thread in body(first + tile, thread) }
    }
}
