import CPlatform
import Foundation

/// Memory that all ranks of a host map, and that is theirs until they drop it.
///
/// An anonymous file that the first rank makes and the others open through `/proc`. Unlike the MPI library's windows it
/// does not count against the size of `/dev/shm`, and it begins at the same 2 MiB boundary everywhere, so that the
/// system can use huge pages: streaming through it and multiplying with it is then as fast as with ordinary memory.
final class HostMapping {
    let base: UnsafeMutableRawPointer
    let bytes: Int

    static let hugePage = 2 << 20

    /// Collective over `group`; `host` are its ranks here, and `bytes` may differ between hosts.
    ///
    /// - Returns: Nil on all ranks of the group where some cannot map such memory.
    static func make(bytes: Int, host: MPIGroup, group: MPIGroup) -> HostMapping? {
        let wholePages = roundedToHugePages(max(bytes, 1))
        let file = host.rank == 0 ? SharedFile.make(bytes: wholePages) : nil
        let owner = host.allGather(Int(getpid()))[0]
        let descriptor = host.allGather(file.map { Int($0.descriptor) } ?? -1)[0]
        let identity = host.allGather(file?.identity ?? -1)[0]
        let opened =
            host.rank == 0 || descriptor < 0
            ? file : SharedFile.open(process: owner, descriptor: descriptor, identity: identity, bytes: wholePages)
        let mapping = opened.flatMap { $0.map(bytes: wholePages) }.map { HostMapping(base: $0, bytes: wholePages) }
        // Nobody may close the file before everyone has opened it.
        let isComplete = group.allGather(mapping == nil ? 0 : 1).allSatisfy { $0 == 1 }
        opened?.close()
        return isComplete ? mapping : nil
    }

    private init(base: UnsafeMutableRawPointer, bytes: Int) {
        self.base = base
        self.bytes = bytes
    }

    deinit { munmap(base, bytes) }

    static func roundedToHugePages(_ bytes: Int) -> Int { (bytes + hugePage - 1) / hugePage * hugePage }

    /// Makes the pages of a part that this rank will use most: they are placed near its core, and not missing later.
    func populate(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        // A huge page can only replace a page that is there.
        let first = (range.lowerBound + Self.hugePage - 1) / Self.hugePage
        let end = range.upperBound / Self.hugePage
        if first < end {
            for page in first..<end { (base + page * Self.hugePage).storeBytes(of: 0, as: UInt8.self) }
            // Where the system has none to give, small pages do.
            madvise(base + first * Self.hugePage, (end - first) * Self.hugePage, apus_advice_collapse())
        }
        memset(base + range.lowerBound, 0, range.count)
    }
}

/// The file behind a `HostMapping`.
private struct SharedFile {
    let descriptor: Int32
    /// Its inode: another process's descriptor of the same number must not be taken for it.
    let identity: Int

    static func make(bytes: Int) -> SharedFile? {
        let descriptor = apus_memfd_create("apus")
        guard descriptor >= 0 else { return nil }
        guard ftruncate(descriptor, bytes) == 0, let identity = identity(of: descriptor, bytes: bytes) else {
            Foundation.close(descriptor)
            return nil
        }
        return SharedFile(descriptor: descriptor, identity: identity)
    }

    static func open(process: Int, descriptor: Int, identity: Int, bytes: Int) -> SharedFile? {
        let opened = Foundation.open("/proc/\(process)/fd/\(descriptor)", O_RDWR | O_CLOEXEC)
        guard opened >= 0 else { return nil }
        guard self.identity(of: opened, bytes: bytes) == identity else {
            Foundation.close(opened)
            return nil
        }
        return SharedFile(descriptor: opened, identity: identity)
    }

    private static func identity(of descriptor: Int32, bytes: Int) -> Int? {
        var information = stat()
        guard fstat(descriptor, &information) == 0, Int(information.st_size) == bytes else { return nil }
        return Int(truncatingIfNeeded: information.st_ino)
    }

    func map(bytes: Int) -> UnsafeMutableRawPointer? {
        // Room for the next boundary; what lies before and after it is given back.
        let room = bytes + HostMapping.hugePage
        guard let reserved = mmap(nil, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), reserved != MAP_FAILED
        else { return nil }
        let start = reserved.alignedUp(toMultipleOf: HostMapping.hugePage)
        guard mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0) != MAP_FAILED else {
            munmap(reserved, room)
            return nil
        }
        let before = start - reserved
        if before > 0 { munmap(reserved, before) }
        if before < HostMapping.hugePage { munmap(start + bytes, HostMapping.hugePage - before) }
        return start
    }

    func close() { Foundation.close(descriptor) }
}
