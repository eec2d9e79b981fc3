import Foundation
import Numerics

extension HostSharedCommunicator {
    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String) {
        reduceToAll(buffer, reduction, label: label)
    }

    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Double>, _ reduction: Reduction, label: String) {
        reduceToAll(buffer, reduction, label: label)
    }

    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Int64>, _ reduction: Reduction, label: String) {
        reduceToAll(buffer, reduction, label: label)
    }

    private func reduceToAll<Element: ReducibleElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Reduction, label: String
    ) {
        let bytes = buffer.count * MemoryLayout<Element>.stride
        let base = UnsafeMutableRawPointer(buffer.baseAddress)
        // Every rank reads all ranks' slots, so that fewer bytes count as small the more ranks there are.
        let isSmall = bytes <= min(sizes.smallBytes, 4 * sizes.smallBytes / host.size)
        let place = isSmall ? nil : base.flatMap { sharedPlace(of: $0, bytes: bytes) }
        begin(
            .allReduce, detail: reduction.signature(for: Element.self), bytes: bytes, place: place?.signature ?? 0,
            label: label)
        defer { calls.end() }
        guard let base, buffer.count > 0 else { return synchronize() }
        if isSmall {
            reduceSmall(base, reduction, count: buffer.count, of: Element.self)
        } else if let place, isOneHost {
            reduceInPlace(place.allocation, offset: place.offset, reduction, count: buffer.count, of: Element.self)
        } else {
            reduceThroughWorkspace(base, place?.allocation, place?.offset ?? 0, reduction, buffer.count, Element.self)
        }
    }

    /// Every rank reduces the whole; between hosts the leader does, and hands the result out.
    private func reduceSmall<Element: ReducibleElement>(
        _ base: UnsafeMutableRawPointer, _ reduction: Reduction, count: Int, of type: Element.Type
    ) {
        let bytes = count * MemoryLayout<Element>.stride
        let slot = smallSerial & 1
        smallSerial += 1
        memcpy(workspace.small(of: host.rank, slot: slot), base, bytes)
        synchronize()
        if isOneHost {
            localReduction.run(
                reduction, count: count, of: type,
                from: { UnsafeRawPointer(workspace.small(of: $0, slot: slot)) }, into: { _ in base })
            return
        }
        if let leaders {
            let sums = leaderScratch.reserve(bytes: contributions.count * bytes)
            localReduction.run(
                reduction, count: count, of: type,
                from: { UnsafeRawPointer(workspace.small(of: $0, slot: slot)) }, into: { sums + $0 * bytes })
            for node in contributions.indices { contributions[node] = UnsafeRawPointer(sums + node * bytes) }
            let result = workspace.smallResult(slot: slot)
            if bytes * leaders.group.size <= sizes.smallExchangeBytes {
                leaders.reduceWhole(contributions, reduction, count: count, of: type, into: result)
            } else {
                exchangeBetweenHosts(leaders, result, reduction, count: count, of: type)
            }
        }
        synchronize()
        memcpy(base, workspace.smallResult(slot: slot), bytes)
    }

    /// Every rank reduces its slice of the buffers where they lie and stores the result in all of them: each is read
    /// once and written once.
    private func reduceInPlace<Element: ReducibleElement>(
        _ allocation: SharedAllocation, offset: Int, _ reduction: Reduction, count: Int, of type: Element.Type
    ) {
        // Whole pages to each rank.
        let slice = evenSegment(host.rank, of: host.size, count: count, multiple: 1024)
        let start = offset + slice.lowerBound * MemoryLayout<Element>.stride
        for rank in destinations.indices { destinations[rank] = allocation.parts[rank] + start }
        synchronize()
        localReduction.run(
            reduction, count: slice.count, of: type, from: { UnsafeRawPointer(allocation.parts[$0] + start) },
            intoAll: destinations)
        synchronize()
    }

    private enum Stage: Int {
        case copyIn
        case reduce
        case exchange
        case copyOut
    }

    /// In chunks: copy in (not from shared memory), reduce a slice each, exchange between hosts if there are several,
    /// copy out.
    private func reduceThroughWorkspace<Element: ReducibleElement>(
        _ base: UnsafeMutableRawPointer, _ allocation: SharedAllocation?, _ offset: Int, _ reduction: Reduction,
        _ count: Int, _ type: Element.Type
    ) {
        let stride = MemoryLayout<Element>.stride
        let chunkCount = workspace.areaBytes / stride
        let chunks = (count + chunkCount - 1) / chunkCount
        let stages = stagesOfReduction(isShared: allocation != nil)
        if allocation != nil { synchronize() }
        pipeline(chunks: chunks, stages: stages.count) { stage, chunk, slot in
            let start = chunk * chunkCount
            let elements = min(chunkCount, count - start)
            switch stages[stage] {
            case .copyIn:
                memcpy(workspace.staging(of: host.rank, slot: slot), base + start * stride, elements * stride)
            case .reduce:
                let slice = evenSegment(host.rank, of: host.size, count: elements)
                let sliceOffset = slice.lowerBound * stride
                localReduction.run(
                    reduction, count: slice.count, of: type,
                    from: { rank in
                        let chunkBase =
                            allocation.map { $0.parts[rank] + offset + start * stride }
                            ?? workspace.staging(of: rank, slot: slot)
                        return UnsafeRawPointer(chunkBase + sliceOffset)
                    },
                    into: { node in
                        (isOneHost ? workspace.result(slot: slot) : workspace.partial(node: node, slot: slot))
                            + sliceOffset
                    })
            case .exchange:
                guard let leaders else { return }
                for node in contributions.indices {
                    contributions[node] = UnsafeRawPointer(workspace.partial(node: node, slot: slot))
                }
                exchangeBetweenHosts(
                    leaders, workspace.result(slot: slot), reduction, count: elements, of: type)
            case .copyOut:
                memcpy(base + start * stride, workspace.result(slot: slot), elements * stride)
            }
        }
    }

    private func stagesOfReduction(isShared: Bool) -> [Stage] {
        switch (isShared, isOneHost) {
        case (false, true): [.copyIn, .reduce, .copyOut]
        case (false, false): [.copyIn, .reduce, .exchange, .copyOut]
        case (true, _): [.reduce, .exchange, .copyOut]
        }
    }

    /// Leaders only: combines the hosts' `contributions` and leaves the whole result in `result` on every host.
    private func exchangeBetweenHosts<Element: ReducibleElement>(
        _ leaders: TreeExchange, _ result: UnsafeMutableRawPointer, _ reduction: Reduction, count: Int,
        of type: Element.Type
    ) {
        let stride = MemoryLayout<Element>.stride
        // See `MPICommunicator.meetForProfile`.
        if Profiler.isRecording { calls.waiting { leaders.group.barrier() } }
        leaders.setEvenSegments(count: count)
        leaders.reduceSegments(
            contributions, reduction, of: type,
            into: result + leaders.segments[leaders.group.rank].lowerBound * stride)
        leaders.gatherSegments(result, stride: stride)
    }
}

extension Reduction {
    /// Distinguishes reductions and element types in a `CallSignature`.
    func signature<Element: ReducibleElement>(for type: Element.Type) -> UInt64 {
        let operation: UInt64 =
            switch self {
            case .sum: 0
            case .max: 1
            case .min: 2
            }
        return operation << 8 | UInt64(MemoryLayout<Element>.stride) << 1 | (Element.self == Int64.self ? 1 : 0)
    }
}
