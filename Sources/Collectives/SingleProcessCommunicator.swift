import Numerics

/// A group of one: what it holds is already the result, so nothing is done.
public final class SingleProcessCommunicator: Communicator {
    private var allocations: [UnsafeMutablePointer<Float>] = []

    public init() {}

    deinit {
        for allocation in allocations { Arena.deallocate(allocation) }
    }

    public var rank: Int { 0 }
    public var size: Int { 1 }
    public var volume: CommunicationVolume { CommunicationVolume() }

    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String) {}
    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Double>, _ reduction: Reduction, label: String) {}
    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Int64>, _ reduction: Reduction, label: String) {}
    public func reduceScatter(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String) {}
    public func allGather(_ buffer: UnsafeMutableBufferPointer<Float>, label: String) {}

    public func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int, label: String) {
        precondition(root == 0, "broadcast '\(label)': root \(root) in a group of one")
    }

    public func allToAll(
        _ source: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<Float>, label: String
    ) {
        precondition(
            source.count == destination.count,
            "all-to-all '\(label)': source has \(source.count) elements, destination \(destination.count)")
        guard let from = source.baseAddress, let to = destination.baseAddress else { return }
        to.update(from: from, count: source.count)
    }

    public func send(_ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String) {
        preconditionFailure("send '\(label)' to rank \(destination): a group of one has no other rank")
    }

    public func receive(_ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String) {
        preconditionFailure("receive '\(label)' from rank \(source): a group of one has no other rank")
    }

    public func startSend(
        _ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String
    ) -> Transfer {
        preconditionFailure("send '\(label)' to rank \(destination): a group of one has no other rank")
    }

    public func startReceive(
        _ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String
    ) -> Transfer {
        preconditionFailure("receive '\(label)' from rank \(source): a group of one has no other rank")
    }

    public func finish(_ transfer: Transfer, label: String) {
        preconditionFailure("finish '\(label)': a group of one has no messages")
    }

    public func gatherToAll(_ bytes: [UInt8], label: String) -> [[UInt8]] { [bytes] }
    public func barrier(label: String) {}
    public func split(color: Int, key: Int) -> any Communicator { SingleProcessCommunicator() }

    public func allocate(_ count: Int, label: String) -> UnsafeMutableBufferPointer<Float> {
        let memory = Arena.allocateAligned(count)
        memory.initialize(repeating: 0, count: count)
        allocations.append(memory)
        return UnsafeMutableBufferPointer(start: memory, count: count)
    }
}
