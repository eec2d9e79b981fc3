import Numerics
import Testing

@Suite struct ArenaTests {
    @Test func releasedMemoryIsHandedOutAgain() {
        let arena = Arena()
        let first = arena.allocate(1000)
        let second = arena.allocate(1000)
        #expect(first != second)
        arena.release(first, count: 1000)
        #expect(arena.allocate(999) != first)
        #expect(arena.allocate(1000) == first)
        #expect(arena.bytesInUse == 4 * 2999)
        #expect(arena.bytesReserved == 4 * 2999)
        arena.release(first, count: 1000)
        arena.release(second, count: 1000)
        #expect(arena.bytesInUse == 4 * 999)
        #expect(arena.peakBytesInUse == 4 * 2999)
    }

    @Test func aStepThatRepeatsReservesNothingNew() {
        let arena = Arena()
        func step() {
            let buffers = [10, 10, 3_000_000, 0].map { (arena.allocate($0), $0) }
            for (buffer, count) in buffers { arena.release(buffer, count: count) }
        }
        step()
        let reserved = arena.bytesReserved
        for _ in 0..<5 { step() }
        #expect(arena.bytesReserved == reserved)
        #expect(arena.bytesInUse == 0)
    }

    @Test(arguments: [0, 1, 17, 4096, 2_000_000])
    func buffersAreAligned(count: Int) {
        let buffer = Arena.allocateAligned(count)
        defer { Arena.deallocate(buffer) }
        #expect(UInt(bitPattern: buffer) % 64 == 0)
        if count * 4 >= 4 << 20 { #expect(UInt(bitPattern: buffer) % (2 << 20) == 0) }
    }
}
