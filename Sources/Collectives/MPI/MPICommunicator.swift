import Foundation
import Numerics

/// A group of ranks on any hosts, over MPI messages alone.
public final class MPICommunicator: Communicator {
    let group: MPIGroup
    let sizes: TransferSizes
    let exchange: TreeExchange
    var calls = CallRecorder()
    var contribution: [UnsafeRawPointer] = [.unset]
    private var replicaSums: [ReplicaSum] = []
    private var allocations: [UnsafeMutablePointer<Float>] = []

    init(_ group: MPIGroup, sizes: TransferSizes) {
        self.group = group
        self.sizes = sizes
        exchange = TreeExchange(group, nodes: (0..<group.size).map { [$0..<$0 + 1] }, rankCount: group.size)
    }

    deinit {
        for allocation in allocations { Arena.deallocate(allocation) }
    }

    public var rank: Int { group.rank }
    public var size: Int { group.size }
    public var volume: CommunicationVolume { replicaSums.reduce(calls.volume) { $0.adding($1.volume) } }

    public func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int, label: String) {
        calls.begin(.broadcast, label: label, bytes: buffer.count)
        defer { calls.end() }
        group.broadcast(buffer, from: root)
    }

    public func send(_ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String) {
        checkPeer(destination, tag: tag, label: label)
        calls.begin(.send, label: label, bytes: buffer.count)
        defer { calls.end() }
        group.send(buffer, to: destination, tag: tag)
    }

    public func receive(_ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String) {
        checkPeer(source, tag: tag, label: label)
        calls.begin(.receive, label: label, bytes: buffer.count)
        defer { calls.end() }
        group.receive(buffer, from: source, tag: tag)
    }

    public func startSend(
        _ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String
    ) -> Transfer {
        checkPeer(destination, tag: tag, label: label)
        calls.count(.send, bytes: buffer.count)
        return Transfer(isSend: true, number: group.startSend(buffer, to: destination, tag: tag))
    }

    public func startReceive(
        _ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String
    ) -> Transfer {
        checkPeer(source, tag: tag, label: label)
        calls.count(.receive, bytes: buffer.count)
        return Transfer(isSend: false, number: group.startReceive(buffer, from: source, tag: tag))
    }

    public func finish(_ transfer: Transfer, label: String) {
        calls.beginWaiting(transfer.isSend ? .send : .receive, label: label)
        defer { calls.end() }
        calls.waiting { group.finish(transfer.number) }
    }

    public func makeProgress() { group.makeProgress() }

    public func barrier(label: String) {
        calls.begin(.barrier, label: label, bytes: 0)
        defer { calls.end() }
        group.barrier()
    }

    public func split(color: Int, key: Int) -> any Communicator {
        calls.begin(.split, label: "color \(color)", bytes: 0)
        defer { calls.end() }
        let part = group.split(color: color, key: key)!
        return part.size == 1 ? SingleProcessCommunicator() : MPICommunicator(part, sizes: sizes)
    }

    public func allocate(_ count: Int, label: String) -> UnsafeMutableBufferPointer<Float> {
        calls.begin(.allocate, label: label, bytes: count * MemoryLayout<Float>.stride)
        defer { calls.end() }
        let memory = Arena.allocateAligned(count)
        memory.initialize(repeating: 0, count: count)
        allocations.append(memory)
        return UnsafeMutableBufferPointer(start: memory, count: count)
    }

    public func makeReplicaSum(
        of memory: ReplicaMemory, threads: Int, wireFormat: WireFormat
    ) -> ReplicaSum {
        let sum = ReplicaSum(
            memory, sharers: (0..<size).map { [$0] }, mine: rank, between: group.split(color: 0, key: rank),
            rankCount: size, threads: threads, sizes: sizes, wireFormat: wireFormat)
        replicaSums.append(sum)
        return sum
    }

    /// While a profile is taken: waits until all ranks have begun the running collective, which tells waiting from
    /// transferring. MPI's own calls do not. All ranks begin and end a profile at the same place between collectives.
    func meetForProfile() {
        guard Profiler.isRecording else { return }
        calls.waiting { group.barrier() }
    }

    private func checkPeer(_ peer: Int, tag: Int, label: String) {
        precondition(
            peer != rank && (0..<size).contains(peer), "'\(label)': rank \(peer) is not another rank of \(size)")
        precondition((0..<32_000).contains(tag), "'\(label)': tag \(tag) is not in 0..<32000")
    }
}
