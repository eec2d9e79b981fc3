extension HostSharedCommunicator {
    public func allocateReplicaMemory(partCount: Int, commonBytes: Int, label: String) -> ReplicaMemory {
        let partBytes = partCount * MemoryLayout<Float>.stride
        begin(.allocate, bytes: partBytes + commonBytes, label: label)
        defer { calls.end() }
        synchronize()
        let commonEnd = wholeCacheLines(commonBytes)
        let stride = HostMapping.roundedToHugePages(partBytes)
        guard
            let mapping = HostMapping.make(
                bytes: stride * host.size + commonEnd + ReplicaMemory.counterBytes(sharers: host.size), host: host,
                group: group)
        else { return .unshared(partCount: partCount, commonBytes: commonBytes, rank: rank) }
        let start = stride * host.rank
        mapping.populate(start..<start + partBytes)
        let share = evenSegment(
            host.rank, of: host.size, count: commonBytes, multiple: HostMapping.hugePage)
        mapping.populate(stride * host.size + share.lowerBound..<stride * host.size + share.upperBound)
        synchronize()
        return ReplicaMemory(
            parts: (0..<host.size).map { rank in
                UnsafeMutableBufferPointer(
                    start: (mapping.base + stride * rank).assumingMemoryBound(to: Float.self), count: partCount)
            },
            index: host.rank, ranks: layout.ranksOfHost[hostIndex],
            common: UnsafeMutableRawBufferPointer(start: mapping.base + stride * host.size, count: commonBytes),
            counters: mapping.base + stride * host.size + commonEnd, isShared: true, owner: mapping)
    }

    public func hostBarrier(label: String) {
        begin(.barrier, bytes: 0, label: label)
        defer { calls.end() }
        synchronize()
    }

    public func makeReplicaSum(
        of memory: ReplicaMemory, threads: Int, wireFormat: WireFormat
    ) -> ReplicaSum {
        let isShared = memory.isShared
        let sharers = isShared ? layout.ranksOfHost : (0..<size).map { [$0] }
        let isLeader = isShared ? host.rank == 0 : true
        let between = sharers.count > 1 ? group.split(color: isLeader ? 0 : nil, key: rank) : nil
        let sum = ReplicaSum(
            memory, sharers: sharers, mine: isShared ? hostIndex : rank, between: between, rankCount: size,
            threads: threads, sizes: sizes, wireFormat: wireFormat)
        replicaSums.append(sum)
        return sum
    }
}
