/// Sums the parts of a `ReplicaMemory` over all ranks of a group, range by range and where they lie, in the tree order
/// of `ReductionTree`: the bits are those of an all-reduce.
///
/// What an all-reduce does in one call is taken apart here, so that the ranks of a host can share out the work, do other
/// work on a range while it is in the cache, and go on computing while hosts exchange:
///
///     barrier → sumOnHost, each rank some ranges → barrier → exchangeBetweenHosts, one rank of each host → barrier
///
/// and the caller sees to the barriers. On a single host there is nothing to exchange, and a range's sum is with the rank
/// that has summed it.
public final class ReplicaSum {
    /// Whether there are other hosts (or ranks that share no memory) to exchange sums with.
    public let spansHosts: Bool
    /// Whether this rank is the one that exchanges for its sharers.
    public var exchanges: Bool { between != nil }

    /// Each pass over the whole memory counts as one all-reduce.
    var volume: CommunicationVolume { calls.volume }

    private var calls = CallRecorder()
    private let memory: ReplicaMemory
    private let between: TreeExchange?
    private let wireFormat: WireFormat
    private let chunkCount: Int
    /// One for each thread: it has scratch memory.
    private let local: [LocalReduction]
    /// For each node of the reduction tree that the sharers bring, the part that its sum goes to.
    private let partOfNode: [Int]
    private var contributions: [UnsafeRawPointer]

    /// - Parameters:
    ///   - sharers: The ranks of the group that share memory with each other, set by set.
    ///   - mine: Which of the sets this rank is in.
    ///   - between: The first rank of every set, for those ranks.
    init(
        _ memory: ReplicaMemory, sharers: [[Int]], mine: Int, between group: MPIGroup?, rankCount: Int, threads: Int,
        sizes: TransferSizes, wireFormat: WireFormat
    ) {
        self.memory = memory
        self.wireFormat = wireFormat
        spansHosts = sharers.count > 1
        let nodes = sharers.map { ReductionTree.largestNodes(within: $0, size: rankCount) }
        between = group.map { TreeExchange($0, nodes: nodes, rankCount: rankCount) }
        chunkCount = max(sizes.exchangeChunkBytes, sizes.segmentBytes * sharers.count) / MemoryLayout<Float>.stride
        let ranks = sharers[mine]
        local = (0..<threads).map { _ in LocalReduction(nodes: nodes[mine], ranks: ranks) }
        partOfNode =
            spansHosts
            ? nodes[mine].map { node in ranks.firstIndex { node.contains($0) }! } : [memory.index]
        contributions = nodes[mine].map { _ in .unset }
    }

    /// The sum of what nobody else has a part of.
    init(of memory: ReplicaMemory) {
        self.memory = memory
        wireFormat = .float32
        spansHosts = false
        between = nil
        chunkCount = 1
        local = []
        partOfNode = []
        contributions = []
    }

    /// Where sums are found when all is done: on a single host, those of the ranges that this rank has summed.
    public var total: UnsafeMutablePointer<Float> {
        (spansHosts ? memory.parts[0] : memory.part).baseAddress!
    }

    /// Does the work of summing the whole memory as one call named `label`, for diagnostics.
    public func perform<Result>(_ label: String, _ body: () throws -> Result) rethrows -> Result {
        guard spansHosts || memory.sharerCount > 1 else { return try body() }
        calls.begin(.allReduce, label: label, bytes: memory.part.count * MemoryLayout<Float>.stride)
        defer { calls.end() }
        return try body()
    }

    /// Sums a range over the sharers. Different threads and different ranks may sum different ranges at the same time.
    public func sumOnHost(_ range: Range<Int>, thread: Int) {
        guard memory.sharerCount > 1 else { return }
        let (parts, start) = (memory.parts, range.lowerBound)
        local[thread].run(
            .sum, count: range.count, of: Float.self,
            from: { UnsafeRawPointer(parts[$0].baseAddress! + start) },
            into: { UnsafeMutableRawPointer(parts[partOfNode[$0]].baseAddress! + start) })
    }

    /// Sums a range, whose sums on every host are complete, over the hosts.
    ///
    /// Every rank that `exchanges` must call it with the same ranges in the same order, and may do so on any thread where
    /// `MPIRuntime.supportsConcurrentCalls`.
    ///
    /// - Parameter sleeps: Whether to leave the core to others while data travels.
    public func exchangeBetweenHosts(_ range: Range<Int>, sleeps: Bool = false) {
        guard let between else { return }
        between.waiting = sleeps ? .sleeping : .spinning
        for start in stride(from: range.lowerBound, to: range.upperBound, by: chunkCount) {
            between.setEvenSegments(count: min(chunkCount, range.upperBound - start))
            for node in contributions.indices {
                contributions[node] = UnsafeRawPointer(memory.parts[partOfNode[node]].baseAddress! + start)
            }
            let (result, mine) = (total + start, between.segments[between.group.rank])
            switch wireFormat {
            case .float32:
                between.reduceSegments(
                    contributions, .sum, of: Float.self, into: UnsafeMutableRawPointer(result + mine.lowerBound))
                between.gatherSegments(UnsafeMutableRawPointer(result), stride: MemoryLayout<Float>.stride)
            case .bfloat16:
                between.reduceSegmentsRounded(contributions, into: result + mine.lowerBound)
                between.gatherSegmentsRounded(result)
            }
        }
    }
}
