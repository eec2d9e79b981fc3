import Numerics

/// Memory of a group's ranks for something that each has its own contribution to and all have the result of.
///
/// The ranks that share memory, the *sharers*, see each other's parts, and have the common area once between them. A
/// rank that shares none is its own only sharer. Everything is zero at first and lives as long as this object.
public final class ReplicaMemory {
    /// One part for each sharer.
    public let parts: [UnsafeMutableBufferPointer<Float>]
    /// Which of the parts is this rank's.
    public let index: Int
    /// Begins at a cache line.
    public let common: UnsafeMutableRawBufferPointer
    /// Whether ranks share memory on every host of the group, those that have more than one.
    let isShared: Bool

    /// Whatever keeps the memory alive.
    private let owner: AnyObject

    init(
        parts: [UnsafeMutableBufferPointer<Float>], index: Int, common: UnsafeMutableRawBufferPointer,
        isShared: Bool, owner: AnyObject
    ) {
        self.parts = parts
        self.index = index
        self.common = common
        self.isShared = isShared
        self.owner = owner
    }

    /// Memory of a rank that shares none.
    public static func unshared(partCount: Int, commonBytes: Int) -> ReplicaMemory {
        let memory = OrdinaryMemory(partCount: partCount, commonBytes: commonBytes)
        return ReplicaMemory(parts: [memory.part], index: 0, common: memory.common, isShared: false, owner: memory)
    }

    /// This rank's part.
    public var part: UnsafeMutableBufferPointer<Float> { parts[index] }
    public var sharerCount: Int { parts.count }
}

private final class OrdinaryMemory {
    let part: UnsafeMutableBufferPointer<Float>
    let common: UnsafeMutableRawBufferPointer

    init(partCount: Int, commonBytes: Int) {
        part = Self.zeros(partCount)
        common = UnsafeMutableRawBufferPointer(Self.zeros((commonBytes + 3) / 4))
    }

    private static func zeros(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
        let memory = Arena.allocateAligned(count)
        memory.initialize(repeating: 0, count: count)
        return UnsafeMutableBufferPointer(start: memory, count: count)
    }

    deinit {
        Arena.deallocate(part.baseAddress!)
        common.baseAddress.map { Arena.deallocate($0.assumingMemoryBound(to: Float.self)) }
    }
}
