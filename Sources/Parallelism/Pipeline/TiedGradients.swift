import Collectives
import Numerics

/// Sums the gradients of parameters that two stages hold: the embedding of the first stage that is the output projection
/// of the last. Both end with the same bits, and so do their optimizers.
///
/// A model in one piece adds both gradients micro-batch by micro-batch; here each stage adds up its own first. The sums
/// are the same up to rounding.
public final class TiedGradients {
    private let peers: any Communicator
    private let gradients: UnsafeMutableBufferPointer<Float>
    /// Elements that another stage has too, and which.
    private let ranges: [(range: Range<Int>, peer: Int)]
    private var received: [UnsafeMutablePointer<Float>] = []

    /// Elements that travel at a time: 4 MiB.
    private static let chunkSize = 1 << 20
    private static let tag = 2

    public init(_ held: HeldParameters, of store: ParameterStore, between peers: any Communicator) {
        self.peers = peers
        gradients = store.gradients
        let layout = store.layout
        ranges = layout.stackStarts.indices.compactMap { stack in
            guard let peer = held.peer(stack: stack) else { return nil }
            let count = layout.slices[stack].reduce(0) { $0 + $1.count }
            return (layout.stackStarts[stack]..<layout.stackStarts[stack] + count, peer)
        }
    }

    deinit { for memory in received { Arena.deallocate(memory) } }

    public var isEmpty: Bool { ranges.isEmpty }

    /// Adds the other stage's gradients to this one's. Collective over the two stages; all sums over micro-batches must be
    /// complete.
    public func sum() {
        for (range, peer) in ranges {
            if received.isEmpty { received.append(Arena.allocateAligned(Self.chunkSize)) }
            for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.chunkSize) {
                let own = UnsafeMutableBufferPointer(
                    rebasing: gradients[start..<min(start + Self.chunkSize, range.upperBound)])
                let other = UnsafeMutableBufferPointer(start: received[0], count: own.count)
                let label = "tied gradients"
                let receiving = peers.startReceive(
                    UnsafeMutableRawBufferPointer(other), from: peer, tag: Self.tag, label: label)
                let sending = peers.startSend(
                    UnsafeRawBufferPointer(own), to: peer, tag: Self.tag, label: label)
                peers.finish(receiving, label: label)
                peers.finish(sending, label: label)
                // Addition has the same bits in either order.
                for index in own.indices { own[index] += other[index] }
            }
        }
    }
}
