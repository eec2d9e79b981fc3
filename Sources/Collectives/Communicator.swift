/// A group of ranks that call the same collectives in the same order.
///
/// All reductions combine contributions in rank order along a fixed tree, so a given number of ranks gives the same
/// bits every time. `label` names what is exchanged ("gradients 3", "loss") and appears in diagnostics.
/// A group of one does nothing. A failing transport cannot be recovered from inside the job: it ends the process with
/// a message that names the operation and its label.
public protocol Communicator: AnyObject {
    var rank: Int { get }
    var size: Int { get }
    /// What this rank has exchanged through this communicator so far.
    var volume: CommunicationVolume { get }

    /// Every rank ends with the element-wise combination of all ranks' buffers.
    func allReduce(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String)
    func allReduce(_ buffer: UnsafeMutableBufferPointer<Double>, _ reduction: Reduction, label: String)
    func allReduce(_ buffer: UnsafeMutableBufferPointer<Int64>, _ reduction: Reduction, label: String)
    /// `buffer` is `size` equal parts; on return this rank's part holds the combination of all ranks' copies of it.
    /// The other parts are left undefined.
    func reduceScatter(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String)
    /// `buffer` is `size` equal parts; every rank contributes its own part and ends with all of them.
    func allGather(_ buffer: UnsafeMutableBufferPointer<Float>, label: String)
    func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int, label: String)
    /// `size` equal parts: part p of `source` goes to rank p; part p of `destination` comes from rank p.
    func allToAll(
        _ source: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<Float>, label: String)
    /// May wait until the other rank receives it. `tag` (0..<32000) must be the receiver's; messages of one tag between
    /// two ranks arrive in order.
    func send(_ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String)
    func receive(_ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String)
    /// Begins to send and returns at once: `buffer` must stay as it is until `finish(_:)`. The other side must receive
    /// with `startReceive`; messages of one tag between two ranks arrive in the order in which they were begun.
    func startSend(_ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int, label: String) -> Transfer
    /// Begins to receive and returns at once: `buffer` is not to be touched until `finish(_:)`.
    func startReceive(_ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int, label: String) -> Transfer
    /// Waits for a message that has begun. Each is to be finished once.
    func finish(_ transfer: Transfer, label: String)
    /// Lets messages that are under way travel, which they do in no other thread. Cheap; for between pieces of work.
    func makeProgress()
    /// Every rank's bytes, in rank order, on every rank; lengths may differ.
    func gatherToAll(_ bytes: [UInt8], label: String) -> [[UInt8]]
    func barrier(label: String)

    /// The ranks that passed the same `color`, ordered by `key`, then by rank here.
    func split(color: Int, key: Int) -> any Communicator

    /// Zeroed memory for `count` floats that this group's collectives handle fastest: on one host it lies in a window
    /// that all ranks see, so that reductions read it where it is. Lives as long as the communicator.
    /// Every rank must ask for the same count, in the same order.
    func allocate(_ count: Int, label: String) -> UnsafeMutableBufferPointer<Float>

    /// Memory in which ranks of one host see each other's parts of `partCount` floats, and share an area of `commonBytes`.
    /// Every rank must ask for the same sizes, in the same order.
    func allocateReplicaMemory(partCount: Int, commonBytes: Int, label: String) -> ReplicaMemory
    /// Sums the parts of memory from `allocateReplicaMemory`; collective. Up to `threads` threads will sum at a time.
    func makeReplicaSum(of memory: ReplicaMemory, threads: Int, wireFormat: WireFormat) -> ReplicaSum
    /// Waits for those ranks of the group that are on the same host.
    func hostBarrier(label: String)
}

/// A message under way, from `Communicator.startSend` or `startReceive`.
public struct Transfer: Hashable, Sendable {
    let isSend: Bool
    /// The place of its requests in the `MPIGroup`.
    let number: Int
}

/// What a rank does that shares memory with no other.
extension Communicator {
    public func allocateReplicaMemory(partCount: Int, commonBytes: Int, label: String) -> ReplicaMemory {
        .unshared(partCount: partCount, commonBytes: commonBytes, rank: rank)
    }

    public func makeReplicaSum(of memory: ReplicaMemory, threads: Int, wireFormat: WireFormat) -> ReplicaSum {
        ReplicaSum(of: memory)
    }

    public func hostBarrier(label: String) {}

    public func makeProgress() {}
}

/// What single-precision numbers are between hosts.
public enum WireFormat: String, CaseIterable, Hashable, Sendable {
    case float32
    /// Rounded to the nearest number of 8 bits of exponent and 7 of fraction: half the bytes.
    case bfloat16
}

public enum Reduction: Sendable {
    case sum, max, min
}
