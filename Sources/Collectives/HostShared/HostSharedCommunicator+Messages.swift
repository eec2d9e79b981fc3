import Foundation

extension HostSharedCommunicator {
    public func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int, label: String) {
        begin(.broadcast, detail: UInt64(root), bytes: buffer.count, label: label)
        defer { calls.end() }
        guard let base = buffer.baseAddress, buffer.count > 0 else { return synchronize() }
        let rootHost = layout.hostOfRank[root]
        let chunkBytes = workspace.areaBytes
        let chunks = (buffer.count + chunkBytes - 1) / chunkBytes
        pipeline(chunks: chunks, stages: isOneHost ? 2 : 3) { stage, chunk, slot in
            let start = chunk * chunkBytes
            let bytes = min(chunkBytes, buffer.count - start)
            // Only the root's host has its staging area in sight; leaders pass it on into the hosts' results.
            let rootStaging = hostIndex == rootHost ? workspace.staging(of: localRank(of: root), slot: slot) : nil
            switch (stage, isOneHost) {
            case (0, _):
                if let rootStaging, rank == root { memcpy(rootStaging, base + start, bytes) }
            case (1, false):
                guard let leaders else { return }
                let result = workspace.result(slot: slot)
                if let rootStaging { memcpy(result, rootStaging, bytes) }
                leaders.group.broadcast(UnsafeMutableRawBufferPointer(start: result, count: bytes), from: rootHost)
            default:
                let source = isOneHost ? rootStaging! : workspace.result(slot: slot)
                if rank != root { memcpy(base + start, source, bytes) }
            }
        }
    }

    public func barrier(label: String) {
        begin(.barrier, bytes: 0, label: label)
        defer { calls.end() }
        synchronize()
        guard !isOneHost else { return }
        leaders?.group.barrier()
        synchronize()
    }

    public func allToAll(
        _ source: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<Float>, label: String
    ) {
        messages.allToAll(source, into: destination, label: label)
    }

    public func send(_ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String) {
        messages.send(buffer, to: destination, tag: tag, label: label)
    }

    public func receive(_ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String) {
        messages.receive(buffer, from: source, tag: tag, label: label)
    }

    public func startSend(
        _ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String
    ) -> Transfer {
        messages.startSend(buffer, to: destination, tag: tag, label: label)
    }

    public func startReceive(
        _ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String
    ) -> Transfer {
        messages.startReceive(buffer, from: source, tag: tag, label: label)
    }

    public func finish(_ transfer: Transfer, label: String) { messages.finish(transfer, label: label) }

    public func makeProgress() { messages.makeProgress() }

    public func gatherToAll(_ bytes: [UInt8], label: String) -> [[UInt8]] {
        messages.gatherToAll(bytes, label: label)
    }

    private func localRank(of rank: Int) -> Int {
        layout.positionOfRank[rank] - layout.positions(ofHost: layout.hostOfRank[rank]).lowerBound
    }
}
