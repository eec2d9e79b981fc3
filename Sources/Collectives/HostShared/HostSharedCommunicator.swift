import Foundation
import Numerics

/// A group whose ranks, where they share a host, work through memory that all of them see; between hosts one rank of
/// each, its leader, exchanges MPI messages for all.
///
/// Memory from `allocate(_:label:)` is reduced where it lies. Other memory passes through staging areas, in chunks that
/// stay in the cache, as a pipeline with one barrier between steps.
///
/// MPI's shared windows are used in the unified memory model: ordinary loads and stores, ordered by the acquire and
/// release operations of `SharedBarrier`.
public final class HostSharedCommunicator: Communicator {
    let sizes: TransferSizes
    let identity: HostIdentity
    let layout: HostLayout
    /// All ranks.
    let group: MPIGroup
    /// The ranks of this host.
    let host: MPIGroup
    /// Messages between any two ranks, and what is rare enough to be left to MPI.
    let messages: MPICommunicator
    /// On a leader of a group with several hosts: the way to the other leaders.
    let leaders: TreeExchange?
    let workspace: SharedWorkspace
    let localReduction: LocalReduction
    var calls = CallRecorder()
    /// Numbers the chunks and the small buffers that went through the workspace; the last bit chooses the slot.
    var chunkSerial = 0
    var smallSerial = 0
    /// One for each rank of this host, set by the call that uses them.
    var destinations: [UnsafeMutableRawPointer]
    /// Scratch memory of a leader for the sums of its host.
    var leaderScratch = ScratchMemory()
    /// One for each node that this host brings to the reduction tree.
    var contributions: [UnsafeRawPointer]

    var replicaSums: [ReplicaSum] = []

    private var barrier: SharedBarrier
    private var allocations: [SharedAllocation] = []
    private var ordinaryAllocations: [UnsafeMutablePointer<Float>] = []
    private var callSerial = 0
    private var isSignatureUnchecked = false

    /// The implementation that fits the group: shared memory if some ranks share a host and there is room for it.
    static func make(_ group: MPIGroup, identity: HostIdentity, sizes: TransferSizes) -> any Communicator {
        let layout = HostLayout(identifiers: group.allGather(identity.identifier))
        guard group.size > 1 else { return SingleProcessCommunicator() }
        guard layout.hostCount < group.size else { return MPICommunicator(group, sizes: sizes) }

        let host = group.split(color: layout.hostOfRank[group.rank], key: group.rank)!
        let nodes = layout.ranksOfHost.map { ReductionTree.largestNodes(within: $0, size: group.size) }
        // Every rank's share of an area is a few cache lines even in a large group, and every host's a message that is
        // worth sending.
        let betweenHosts = layout.hostCount > 1 ? min(layout.hostCount * sizes.segmentBytes, 4 << 20) : 0
        let areaBytes = wholeCacheLines(max(sizes.stagingBytes, betweenHosts, group.size * 512))
        let smallBytes = wholeCacheLines(sizes.smallBytes)
        let nodeCount = nodes[layout.hostOfRank[group.rank]].count
        let bytesPerRank = SharedWorkspace.bytesPerRank(areaBytes: areaBytes, smallBytes: smallBytes)
        let bytesPerHost = SharedWorkspace.bytesPerHost(areaBytes: areaBytes, nodeCount: nodeCount)
        guard
            SharedMemorySpace.hasRoom(
                bytesPerRank: bytesPerRank, bytesPerHost: bytesPerHost, host: host,
                ranksOnMachine: identity.ranksOnMachine, group: group)
        else { return MPICommunicator(group, sizes: sizes) }
        let leaderGroup = layout.hostCount > 1 ? group.split(color: host.rank == 0 ? 0 : nil, key: group.rank) : nil
        return HostSharedCommunicator(
            group: group, host: host, layout: layout, identity: identity, sizes: sizes, nodes: nodes,
            leaders: leaderGroup.map { TreeExchange($0, nodes: nodes, rankCount: group.size) },
            workspace: SharedWorkspace(
                parts: host.allocateShared(bytes: bytesPerRank + (host.rank == 0 ? bytesPerHost : 0)),
                areaBytes: areaBytes, smallBytes: smallBytes, nodeCount: nodeCount))
    }

    private init(
        group: MPIGroup, host: MPIGroup, layout: HostLayout, identity: HostIdentity, sizes: TransferSizes,
        nodes: [[Range<Int>]], leaders: TreeExchange?, workspace: SharedWorkspace
    ) {
        self.group = group
        self.host = host
        self.layout = layout
        self.identity = identity
        self.sizes = sizes
        self.leaders = leaders
        self.workspace = workspace
        let myHost = layout.hostOfRank[group.rank]
        messages = MPICommunicator(group, sizes: sizes)
        localReduction = LocalReduction(nodes: nodes[myHost], ranks: layout.ranksOfHost[myHost])
        destinations = Array(repeating: .unset, count: host.size)
        contributions = Array(repeating: .unset, count: nodes[myHost].count)
        barrier = SharedBarrier(host, memory: workspace.barrierMemory, isOversubscribed: identity.isOversubscribed)
    }

    deinit {
        for allocation in ordinaryAllocations { Arena.deallocate(allocation) }
    }

    public var rank: Int { group.rank }
    public var size: Int { group.size }
    public var volume: CommunicationVolume {
        replicaSums.reduce(calls.volume.adding(messages.volume)) { $0.adding($1.volume) }
    }
    var isOneHost: Bool { layout.hostCount == 1 }
    var hostIndex: Int { layout.hostOfRank[group.rank] }

    // MARK: Calls

    /// Begins a collective: notes it, and tells the other ranks of the host what this one is about to do.
    ///
    /// - Parameters:
    ///   - detail: what else all ranks must agree on, like the reduction or the root; below 2⁵⁶.
    ///   - place: where the buffer lies in shared memory, 0 if it does not.
    func begin(_ kind: CollectiveKind, detail: UInt64 = 0, bytes: Int, place: UInt64 = 0, label: String) {
        calls.begin(kind, label: label, bytes: bytes)
        callSerial += 1
        workspace.signature(of: host.rank, slot: callSerial & 1).pointee = CallSignature(
            kind, detail: detail, bytes: bytes, place: place, label: label)
        isSignatureUnchecked = true
    }

    /// Waits for the other ranks of the host; what they wrote before is then visible here.
    func synchronize() {
        calls.waiting { barrier.wait() }
        guard isSignatureUnchecked else { return }
        isSignatureUnchecked = false
        // Each looks at one other: if not all are equal, someone sees a difference.
        let slot = callSerial & 1
        let neighbour = (host.rank + 1) % host.size
        let mine = workspace.signature(of: host.rank, slot: slot).pointee
        let theirs = workspace.signature(of: neighbour, slot: slot).pointee
        guard mine == theirs else {
            let ranks = layout.ranksOfHost[hostIndex]
            MPIRuntime.fail(
                """
                rank \(rank) of a group of \(size) calls \(mine.description), but rank \(ranks[neighbour]) calls \
                \(theirs.description); all ranks must make the same calls in the same order
                """)
        }
    }

    /// Runs `body` for every stage of every chunk, stage s of chunk c in step s + c, with a barrier between steps:
    /// while one chunk is copied out, the next is reduced, and the one after that copied in.
    func pipeline(chunks: Int, stages: Int, _ body: (_ stage: Int, _ chunk: Int, _ slot: Int) -> Void) {
        for step in 0..<chunks + stages - 1 {
            if step > 0 { synchronize() }
            for stage in max(0, step - chunks + 1)...min(stages - 1, step) {
                let chunk = step - stage
                body(stage, chunk, (chunkSerial + chunk) & 1)
            }
        }
        chunkSerial += chunks
    }

    // MARK: Groups and memory

    public func split(color: Int, key: Int) -> any Communicator {
        calls.begin(.split, label: "color \(color)", bytes: 0)
        defer { calls.end() }
        return Self.make(group.split(color: color, key: key)!, identity: identity, sizes: sizes)
    }

    public func allocate(_ count: Int, label: String) -> UnsafeMutableBufferPointer<Float> {
        let bytes = count * MemoryLayout<Float>.stride
        begin(.allocate, bytes: bytes, label: label)
        defer { calls.end() }
        synchronize()
        guard
            SharedMemorySpace.hasRoom(
                bytesPerRank: bytes, host: host, ranksOnMachine: identity.ranksOnMachine, group: group)
        else {
            return allocateOrdinary(count, label: label)
        }
        let parts = host.allocateShared(bytes: bytes)
        allocations.append(SharedAllocation(parts: parts, bytes: bytes))
        return UnsafeMutableBufferPointer(start: parts[host.rank].assumingMemoryBound(to: Float.self), count: count)
    }

    private func allocateOrdinary(_ count: Int, label: String) -> UnsafeMutableBufferPointer<Float> {
        if rank == 0 {
            let free = SharedMemorySpace.freeBytes.map { "\($0 >> 20) MiB free here" } ?? "does not exist here"
            FileHandle.standardError.write(
                Data(
                    """
                    apus: '\(label)' needs \((count * 4 + (1 << 20) - 1) >> 20) MiB of shared memory a rank, but \
                    \(SharedMemorySpace.folder) is too small on some host (\(free)): its reductions will be slower
                      → enlarge it, for example with `mount -o remount,size=90% \(SharedMemorySpace.folder)`, or \
                    `docker run --shm-size`\n
                    """.utf8))
        }
        let memory = Arena.allocateAligned(count)
        memory.initialize(repeating: 0, count: count)
        ordinaryAllocations.append(memory)
        return UnsafeMutableBufferPointer(start: memory, count: count)
    }

    /// The shared memory that a buffer lies in, and where.
    func sharedPlace(
        of base: UnsafeMutableRawPointer, bytes: Int
    ) -> (allocation: SharedAllocation, offset: Int, signature: UInt64)? {
        for (index, allocation) in allocations.enumerated() {
            let offset = base - allocation.parts[host.rank]
            if offset >= 0, offset + bytes <= allocation.bytes {
                return (allocation, offset, UInt64(index + 1) << 48 | UInt64(offset))
            }
        }
        return nil
    }
}
