import Foundation

/// The memory through which the ranks of a host work together, and where everything lies in it.
///
/// Each rank contributes: barrier flags | two call signatures | two small slots | two staging areas. The host's first
/// rank, its leader, also holds what belongs to the whole host: two small results | two results | two partial sums for
/// each node of the reduction tree that the host brings. There are two of each so that a rank may fill one while
/// slower ranks still read the other.
struct SharedWorkspace {
    /// Size of a staging area, a result and a partial sum.
    let areaBytes: Int
    let smallBytes: Int
    private let parts: [UnsafeMutableRawPointer]
    private let nodeCount: Int

    /// What the part of any rank takes.
    static func bytesPerRank(areaBytes: Int, smallBytes: Int) -> Int {
        headerBytes + 4 * smallBytes + 2 * areaBytes
    }

    /// What the leader's part takes on top of that.
    static func bytesPerHost(areaBytes: Int, nodeCount: Int) -> Int { (2 + 2 * nodeCount) * areaBytes }

    private static let headerBytes = SharedBarrier.bytesPerRank + 2 * CallSignature.strideBytes

    /// - Parameter parts: each rank's memory, `bytesPerRank` long, and the first one `bytesPerHost` longer.
    init(parts: [UnsafeMutableRawPointer], areaBytes: Int, smallBytes: Int, nodeCount: Int) {
        self.parts = parts
        self.areaBytes = areaBytes
        self.smallBytes = smallBytes
        self.nodeCount = nodeCount
    }

    var barrierMemory: [UnsafeMutableRawPointer] { parts }

    func signature(of rank: Int, slot: Int) -> UnsafeMutablePointer<CallSignature> {
        (parts[rank] + SharedBarrier.bytesPerRank + slot * CallSignature.strideBytes)
            .assumingMemoryBound(to: CallSignature.self)
    }

    func small(of rank: Int, slot: Int) -> UnsafeMutableRawPointer {
        parts[rank] + Self.headerBytes + slot * smallBytes
    }

    func smallResult(slot: Int) -> UnsafeMutableRawPointer {
        parts[0] + Self.headerBytes + (2 + slot) * smallBytes
    }

    func staging(of rank: Int, slot: Int) -> UnsafeMutableRawPointer {
        parts[rank] + Self.headerBytes + 4 * smallBytes + slot * areaBytes
    }

    func result(slot: Int) -> UnsafeMutableRawPointer {
        parts[0] + Self.headerBytes + 4 * smallBytes + (2 + slot) * areaBytes
    }

    func partial(node: Int, slot: Int) -> UnsafeMutableRawPointer {
        parts[0] + Self.headerBytes + 4 * smallBytes + (4 + 2 * node + slot) * areaBytes
    }
}

/// Memory from `Communicator.allocate`: every rank of the host sees every rank's part.
struct SharedAllocation {
    let parts: [UnsafeMutableRawPointer]
    let bytes: Int
}

/// How much memory ranks can still share on this host.
enum SharedMemorySpace {
    /// Where the MPI library keeps its shared windows.
    static let folder = "/dev/shm"

    /// Bytes free, or nil when the folder does not exist.
    static var freeBytes: Int? {
        var information = statvfs()
        guard statvfs(folder, &information) == 0 else { return nil }
        return Int(information.f_bavail) * Int(information.f_frsize)
    }

    /// Whether every host of the group has room for a window. One that does not fit would be created all the same, and
    /// end the job when it is written to.
    ///
    /// - Parameters:
    ///   - bytesPerRank: what each rank's part takes.
    ///   - bytesPerHost: what the leader's part takes on top of that.
    ///   - ranksOnMachine: all ranks there, also those of other groups: the groups along an axis of a mesh all
    ///     allocate at the same time.
    static func hasRoom(
        bytesPerRank: Int, bytesPerHost: Int = 0, host: MPIGroup, ranksOnMachine: Int, group: MPIGroup
    ) -> Bool {
        // The library's own data takes a page or two beside each rank's part.
        let groups = (ranksOnMachine + host.size - 1) / host.size
        let needed = ranksOnMachine * (bytesPerRank + 16_384) + groups * bytesPerHost
        let fits = freeBytes.map { needed <= $0 } ?? false
        return group.allGather(fits ? 1 : 0).allSatisfy { $0 == 1 }
    }
}
