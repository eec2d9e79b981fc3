import Foundation

/// Collectives over buffers of `size` equal parts, one for each rank.
extension HostSharedCommunicator {
    public func reduceScatter(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String) {
        let part = partCount(of: buffer.count, label: label)
        let place = placeOfParts(buffer)
        begin(
            .reduceScatter, detail: reduction.signature(for: Float.self), bytes: buffer.count * Self.stride,
            place: place?.signature ?? 0, label: label)
        defer { calls.end() }
        guard let base = UnsafeMutableRawPointer(buffer.baseAddress), part > 0 else { return synchronize() }
        if let place {
            let offset = place.offset + rank * part * Self.stride
            synchronize()
            localReduction.run(
                reduction, count: part, of: Float.self,
                from: { UnsafeRawPointer(place.allocation.parts[$0] + offset) },
                into: { _ in base + rank * part * Self.stride })
            // Others still read their parts of this rank's buffer.
            synchronize()
        } else if isOneHost {
            scatterOnOneHost(base, reduction, part: part)
        } else {
            scatterBetweenHosts(base, reduction, part: part)
        }
    }

    public func allGather(_ buffer: UnsafeMutableBufferPointer<Float>, label: String) {
        let part = partCount(of: buffer.count, label: label)
        let place = placeOfParts(buffer)
        begin(.allGather, bytes: buffer.count * Self.stride, place: place?.signature ?? 0, label: label)
        defer { calls.end() }
        guard let base = UnsafeMutableRawPointer(buffer.baseAddress), part > 0 else { return synchronize() }
        let partBytes = part * Self.stride
        if let place {
            synchronize()
            for other in 0..<size where other != rank {
                memcpy(
                    base + other * partBytes, place.allocation.parts[other] + place.offset + other * partBytes,
                    partBytes)
            }
            synchronize()
        } else if isOneHost {
            gatherOnOneHost(base, partBytes: partBytes)
        } else {
            gatherBetweenHosts(base, partBytes: partBytes)
        }
    }

    private static var stride: Int { MemoryLayout<Float>.stride }

    /// Parts are exchanged where they lie if they lie in shared memory and all ranks see it.
    private func placeOfParts(
        _ buffer: UnsafeMutableBufferPointer<Float>
    ) -> (allocation: SharedAllocation, offset: Int, signature: UInt64)? {
        guard isOneHost, let base = UnsafeMutableRawPointer(buffer.baseAddress) else { return nil }
        return sharedPlace(of: base, bytes: buffer.count * Self.stride)
    }

    private func partCount(of count: Int, label: String) -> Int {
        precondition(count.isMultiple(of: size), "'\(label)': \(count) elements are not \(size) equal parts")
        return count / size
    }

    /// Calls `body` with chunks of a part, as many elements as fit an area when every rank's chunk lies in it.
    private func forEachChunk(
        ofPart part: Int, chunkCount: Int, stages: Int,
        _ body: (_ stage: Int, _ range: Range<Int>, _ slot: Int) -> Void
    ) {
        pipeline(chunks: (part + chunkCount - 1) / chunkCount, stages: stages) { stage, chunk, slot in
            body(stage, chunk * chunkCount..<min((chunk + 1) * chunkCount, part), slot)
        }
    }

    /// Copies the chunk `range` of every part to this rank's staging area, parts in the order of hosts.
    private func stageParts(_ base: UnsafeMutableRawPointer, part: Int, range: Range<Int>, slot: Int) {
        let staging = workspace.staging(of: host.rank, slot: slot)
        let bytes = range.count * Self.stride
        for owner in 0..<size {
            memcpy(
                staging + layout.positionOfRank[owner] * bytes,
                base + (owner * part + range.lowerBound) * Self.stride, bytes)
        }
    }

    private func scatterOnOneHost(_ base: UnsafeMutableRawPointer, _ reduction: Reduction, part: Int) {
        let chunkCount = workspace.areaBytes / Self.stride / size
        forEachChunk(ofPart: part, chunkCount: chunkCount, stages: 2) { stage, range, slot in
            if stage == 0 {
                stageParts(base, part: part, range: range, slot: slot)
                return
            }
            let offset = layout.positionOfRank[rank] * range.count * Self.stride
            localReduction.run(
                reduction, count: range.count, of: Float.self,
                from: { UnsafeRawPointer(workspace.staging(of: $0, slot: slot) + offset) },
                into: { _ in base + (rank * part + range.lowerBound) * Self.stride })
        }
    }

    private func scatterBetweenHosts(_ base: UnsafeMutableRawPointer, _ reduction: Reduction, part: Int) {
        let chunkCount = workspace.areaBytes / Self.stride / size
        forEachChunk(ofPart: part, chunkCount: chunkCount, stages: 4) { stage, range, slot in
            switch stage {
            case 0:
                stageParts(base, part: part, range: range, slot: slot)
            case 1:
                let slice = evenSegment(host.rank, of: host.size, count: size * range.count)
                let offset = slice.lowerBound * Self.stride
                localReduction.run(
                    reduction, count: slice.count, of: Float.self,
                    from: { UnsafeRawPointer(workspace.staging(of: $0, slot: slot) + offset) },
                    into: { workspace.partial(node: $0, slot: slot) + offset })
            case 2:
                guard let leaders else { return }
                setSegments(leaders, countPerRank: range.count)
                for node in contributions.indices {
                    contributions[node] = UnsafeRawPointer(workspace.partial(node: node, slot: slot))
                }
                leaders.reduceSegments(
                    contributions, reduction, of: Float.self,
                    into: workspace.result(slot: slot) + leaders.segments[hostIndex].lowerBound * Self.stride)
            default:
                let bytes = range.count * Self.stride
                memcpy(
                    base + (rank * part + range.lowerBound) * Self.stride,
                    workspace.result(slot: slot) + layout.positionOfRank[rank] * bytes, bytes)
            }
        }
    }

    private func gatherOnOneHost(_ base: UnsafeMutableRawPointer, partBytes: Int) {
        forEachChunk(ofPart: partBytes, chunkCount: workspace.areaBytes, stages: 2) { stage, range, slot in
            if stage == 0 {
                memcpy(
                    workspace.staging(of: host.rank, slot: slot), base + rank * partBytes + range.lowerBound,
                    range.count)
                return
            }
            for owner in 0..<size where owner != rank {
                memcpy(
                    base + owner * partBytes + range.lowerBound, workspace.staging(of: owner, slot: slot),
                    range.count)
            }
        }
    }

    private func gatherBetweenHosts(_ base: UnsafeMutableRawPointer, partBytes: Int) {
        let chunkBytes = workspace.areaBytes / size / Self.stride * Self.stride
        let myPositions = layout.positions(ofHost: hostIndex)
        forEachChunk(ofPart: partBytes, chunkCount: chunkBytes, stages: 3) { stage, range, slot in
            let bytes = range.count
            let position = layout.positionOfRank[rank]
            switch stage {
            case 0:
                memcpy(
                    workspace.partial(node: 0, slot: slot) + position * bytes,
                    base + rank * partBytes + range.lowerBound, bytes)
            case 1:
                guard let leaders else { return }
                let result = workspace.result(slot: slot)
                let start = myPositions.lowerBound * bytes
                memcpy(result + start, workspace.partial(node: 0, slot: slot) + start, myPositions.count * bytes)
                setSegments(leaders, countPerRank: bytes)
                leaders.gatherSegments(result, stride: 1)
            default:
                for owner in 0..<size where owner != rank {
                    memcpy(
                        base + owner * partBytes + range.lowerBound,
                        workspace.result(slot: slot) + layout.positionOfRank[owner] * bytes, bytes)
                }
            }
        }
    }

    /// Each host's segment of an exchange are the parts of its ranks.
    private func setSegments(_ leaders: TreeExchange, countPerRank count: Int) {
        for host in 0..<layout.hostCount {
            let positions = layout.positions(ofHost: host)
            leaders.segments[host] = positions.lowerBound * count..<positions.upperBound * count
        }
    }
}
