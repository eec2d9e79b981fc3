import Foundation
import Numerics
import Synchronization

/// Memory of a group's ranks for something that each has its own contribution to and all have the result of.
///
/// The ranks that share memory, the *sharers*, see each other's parts, and have the common area once between them. A
/// rank that shares none is its own only sharer. Everything is zero at first and lives as long as this object.
public final class ReplicaMemory {
    /// One part for each sharer.
    public let parts: [UnsafeMutableBufferPointer<Float>]
    /// Which of the parts is this rank's.
    public let index: Int
    /// The sharers' ranks in the group, ascending.
    public let ranks: [Int]
    /// Begins at a cache line.
    public let common: UnsafeMutableRawBufferPointer
    /// Whether ranks share memory on every host of the group, those that have more than one.
    let isShared: Bool

    /// Numbers that sharers see of each other, a cache line each; see `progress`.
    private let counters: UnsafeMutableRawPointer
    /// Whatever keeps the memory alive.
    private let owner: AnyObject

    init(
        parts: [UnsafeMutableBufferPointer<Float>], index: Int, ranks: [Int], common: UnsafeMutableRawBufferPointer,
        counters: UnsafeMutableRawPointer, isShared: Bool, owner: AnyObject
    ) {
        self.parts = parts
        self.index = index
        self.ranks = ranks
        self.common = common
        self.counters = counters
        self.isShared = isShared
        self.owner = owner
    }

    /// Memory of a rank that shares none.
    public static func unshared(partCount: Int, commonBytes: Int, rank: Int = 0) -> ReplicaMemory {
        let memory = OrdinaryMemory(partCount: partCount, commonBytes: commonBytes)
        return ReplicaMemory(
            parts: [memory.part], index: 0, ranks: [rank], common: memory.common, counters: memory.counters,
            isShared: false, owner: memory)
    }

    /// This rank's part.
    public var part: UnsafeMutableBufferPointer<Float> { parts[index] }
    public var sharerCount: Int { parts.count }

    /// What sharers tell each other without waiting at a barrier: how far each has got with something. Numbers only grow.
    public enum Progress: Int, CaseIterable, Sendable {
        case computed, summed, exchanged
    }

    public func progress(_ progress: Progress, of sharer: Int) -> UInt64 {
        counter(progress, of: sharer).pointee.load(ordering: .acquiring)
    }

    /// What this rank wrote before is visible to whoever sees the new number.
    public func setProgress(_ progress: Progress, _ value: UInt64) {
        counter(progress, of: index).pointee.store(value, ordering: .releasing)
    }

    /// What the counters of `sharers` ranks take.
    static func counterBytes(sharers: Int) -> Int { sharers * Progress.allCases.count * 64 }

    private func counter(_ progress: Progress, of sharer: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (counters + (sharer * Progress.allCases.count + progress.rawValue) * 64)
            .assumingMemoryBound(to: Atomic<UInt64>.self)
    }
}

private final class OrdinaryMemory {
    let part: UnsafeMutableBufferPointer<Float>
    let common: UnsafeMutableRawBufferPointer
    let counters: UnsafeMutableRawPointer

    init(partCount: Int, commonBytes: Int) {
        counters = .allocate(byteCount: ReplicaMemory.counterBytes(sharers: 1), alignment: 64)
        memset(counters, 0, ReplicaMemory.counterBytes(sharers: 1))
        part = Self.zeros(partCount)
        common = UnsafeMutableRawBufferPointer(Self.zeros((commonBytes + 3) / 4))
    }

    private static func zeros(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
        let memory = Arena.allocateAligned(count)
        memory.initialize(repeating: 0, count: count)
        return UnsafeMutableBufferPointer(start: memory, count: count)
    }

    deinit {
        counters.deallocate()
        Arena.deallocate(part.baseAddress!)
        common.baseAddress.map { Arena.deallocate($0.assumingMemoryBound(to: Float.self)) }
    }
}
