import COpenMPI
import Foundation
import Synchronization

/// A barrier between the ranks of a host, in memory that they share.
///
/// A dissemination barrier (Hensgen, Finkel, Manber 1988): in round k every rank tells the one 2ᵏ further on that it is
/// here and waits to be told by the one 2ᵏ before, so that after ⌈log₂ ranks⌉ rounds everyone has heard of everyone.
/// Each flag has a cache line and one writer, and counts barriers rather than toggling.
struct SharedBarrier {
    private typealias Flag = UnsafeMutablePointer<Atomic<UInt64>>

    private static let lineBytes = 64
    private static let maximalRounds = 16
    /// What the barrier needs of each rank's memory, zero at first.
    static let bytesPerRank = maximalRounds * lineBytes

    private var outgoing: [Flag] = []
    private var incoming: [Flag] = []
    private var epoch: UInt64 = 0
    private let spinLimit: Int
    private let group: MPIGroup

    /// - Parameter memory: `bytesPerRank` bytes of each rank of `group`, which share a host.
    init(_ group: MPIGroup, memory: [UnsafeMutableRawPointer], isOversubscribed: Bool) {
        self.group = group
        spinLimit = isOversubscribed ? 20 : 2_000
        precondition(group.size <= 1 << Self.maximalRounds, "\(group.size) ranks on one host")
        var distance = 1
        while distance < group.size {
            let offset = incoming.count * Self.lineBytes
            let partner = (group.rank + distance) % group.size
            outgoing.append((memory[partner] + offset).assumingMemoryBound(to: Atomic<UInt64>.self))
            incoming.append((memory[group.rank] + offset).assumingMemoryBound(to: Atomic<UInt64>.self))
            distance *= 2
        }
    }

    /// Returns when every rank has called it. What ranks wrote before is then visible to all.
    mutating func wait() {
        epoch += 1
        for round in outgoing.indices {
            outgoing[round].pointee.store(epoch, ordering: .releasing)
            if incoming[round].pointee.load(ordering: .acquiring) < epoch { spin(on: incoming[round]) }
        }
    }

    /// Spins while the other rank is likely to be nearly here, then gives the core away, and at last sleeps.
    private func spin(on flag: Flag) {
        var looks = 0
        while flag.pointee.load(ordering: .acquiring) < epoch {
            looks += 1
            if looks <= spinLimit {
                apus_spin_hint()
                continue
            }
            // The other rank may be waiting for a message of ours that the library has not finished sending.
            if looks.isMultiple(of: Self.looksPerProgress) { group.makeProgress() }
            if looks <= spinLimit + Self.yieldLimit {
                sched_yield()
            } else {
                usleep(50)
            }
        }
    }

    private static let yieldLimit = 4_000
    private static let looksPerProgress = 16
}
