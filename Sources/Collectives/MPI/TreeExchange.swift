import Foundation

/// All-reduce between the members of an MPI group, each of which brings one or more nodes of the reduction tree.
///
/// MPI only moves the data here; the sums are our own. Open MPI's reductions give the same bits when they are repeated,
/// but choose their order by message size and group size, so that cutting a buffer differently changes the result.
///
/// Long buffers are cut into one segment for each member: every member receives the others' contributions to its
/// segment, combines them, and hands the result round. That moves as few bytes as a ring does, and the order of the
/// sums stays free. Members are single ranks for `MPICommunicator` and hosts, by their leaders, for
/// `HostSharedCommunicator`.
final class TreeExchange {
    let group: MPIGroup
    /// The nodes that each member brings.
    let nodes: [[Range<Int>]]
    let program: ReductionProgram
    /// The elements of a chunk that each member combines. The caller sets them before `reduceSegments` and
    /// `gatherSegments`; kept here so that no call allocates.
    var segments: [Range<Int>]

    /// How the members wait for each other.
    var waiting = MPIGroup.Waiting.spinning

    let mostNodes: Int
    var scratch = ScratchMemory()
    /// What travels rounded passes through here.
    var wireScratch = ScratchMemory()
    var sources: [UnsafeRawPointer]
    var destination: [UnsafeMutableRawPointer]
    /// Where each member's nodes stand among all nodes in rank order: apart from each other when hosts interleave.
    let sourceIndices: [[Int]]

    init(_ group: MPIGroup, nodes: [[Range<Int>]], rankCount: Int) {
        self.group = group
        self.nodes = nodes
        let ordered = nodes.joined().sorted { $0.lowerBound < $1.lowerBound }
        program = ReductionProgram(node: 0..<rankCount, parts: ordered)
        sourceIndices = nodes.map { $0.map { node in ordered.firstIndex(of: node)! } }
        mostNodes = nodes.map(\.count).max()!
        segments = Array(repeating: 0..<0, count: group.size)
        sources = Array(repeating: .unset, count: ordered.count)
        destination = [.unset]
    }

    /// Cuts `count` elements into one segment for each member.
    func setEvenSegments(count: Int) {
        for member in segments.indices { segments[member] = evenSegment(member, of: segments.count, count: count) }
    }

    /// Combines all members' contributions to this member's segment.
    ///
    /// - Parameters:
    ///   - contributions: for each of this member's nodes, its `start` for segments to count from.
    ///   - result: where this member's segment goes; it may be the segment of a contribution.
    func reduceSegments<Element: ReducibleElement>(
        _ contributions: [UnsafeRawPointer], _ reduction: Reduction, of type: Element.Type,
        into result: UnsafeMutableRawPointer
    ) {
        let stride = MemoryLayout<Element>.stride
        let mine = segments[group.rank]
        let segmentBytes = mine.count * stride
        let received = scratch.reserve(bytes: sources.count * segmentBytes)
        for step in 1..<max(group.size, 1) {
            let to = (group.rank + step) % group.size
            let from = (group.rank - step + group.size) % group.size
            for node in 0..<mostNodes {
                let sends = node < nodes[group.rank].count
                let receives = node < nodes[from].count
                let slot = receives ? sourceIndices[from][node] : 0
                group.exchange(
                    send: UnsafeRawBufferPointer(
                        start: sends ? contributions[node] + segments[to].lowerBound * stride : nil,
                        count: sends ? segments[to].count * stride : 0),
                    to: sends ? to : nil,
                    receive: UnsafeMutableRawBufferPointer(
                        start: receives ? received + slot * segmentBytes : nil, count: receives ? segmentBytes : 0),
                    from: receives ? from : nil, waiting: waiting)
                if receives { sources[slot] = UnsafeRawPointer(received + slot * segmentBytes) }
            }
        }
        for (node, slot) in sourceIndices[group.rank].enumerated() {
            sources[slot] = contributions[node] + mine.lowerBound * stride
        }
        destination[0] = result
        program.run(reduction, sources, count: mine.count, of: type, into: destination)
    }

    /// Hands every member's segment, which is in its place in `buffer`, to all others.
    func gatherSegments(_ buffer: UnsafeMutableRawPointer, stride: Int) {
        let mine = segments[group.rank]
        for step in 1..<max(group.size, 1) {
            let to = (group.rank + step) % group.size
            let from = (group.rank - step + group.size) % group.size
            group.exchange(
                send: UnsafeRawBufferPointer(start: buffer + mine.lowerBound * stride, count: mine.count * stride),
                to: to,
                receive: UnsafeMutableRawBufferPointer(
                    start: buffer + segments[from].lowerBound * stride, count: segments[from].count * stride),
                from: from, waiting: waiting)
        }
    }

    /// Combines all members' whole contributions, for short buffers: everything goes to everyone.
    ///
    /// - Parameter contributions: one for each of this member's nodes.
    func reduceWhole<Element: ReducibleElement>(
        _ contributions: [UnsafeRawPointer], _ reduction: Reduction, count: Int, of type: Element.Type,
        into result: UnsafeMutableRawPointer
    ) {
        let bytes = count * MemoryLayout<Element>.stride
        let memory = scratch.reserve(bytes: (group.size + 1) * mostNodes * bytes)
        let received = memory + mostNodes * bytes
        for (node, contribution) in contributions.enumerated() {
            memcpy(memory + node * bytes, contribution, bytes)
        }
        group.allGather(memory, bytes: mostNodes * bytes, into: received)
        for member in nodes.indices {
            for (node, slot) in sourceIndices[member].enumerated() {
                sources[slot] = UnsafeRawPointer(received + (member * mostNodes + node) * bytes)
            }
        }
        destination[0] = result
        program.run(reduction, sources, count: count, of: type, into: destination)
    }
}
