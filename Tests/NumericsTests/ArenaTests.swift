import Numerics
import Testing

@Suite struct ArenaTests {
    @Test func releasedMemoryIsHandedOutAgainInAnySize() {
        let arena = Arena()
        let first = arena.allocate(1024)
        let second = arena.allocate(1024)
        let third = arena.allocate(1024)
        #expect(second == first + 1024 && third == second + 1024)
        arena.release(first, count: 1024)
        #expect(arena.allocate(512) == first)
        #expect(arena.allocate(496) == first + 512)
        #expect(arena.bytesInUse == 4 * 3056)
        arena.release(second, count: 1024)
        arena.release(first, count: 512)
        arena.release(first + 512, count: 496)
        // The three have become one block.
        #expect(arena.allocate(2048) == first)
        #expect(arena.bytesReserved == 4 * 3072)
        #expect(arena.peakBytesInUse == 4 * 3072)
        arena.release(first, count: 2048)
        arena.release(third, count: 1024)
        #expect(arena.bytesInUse == 0)
        #expect(arena.allocate(4096) == first)
    }

    @Test func theSmallestBlockThatFitsIsTaken() {
        let arena = Arena()
        let buffers = [64, 16, 32, 16, 48, 16].map { (arena.allocate($0), $0) }
        for index in [0, 2, 4] { arena.release(buffers[index].0, count: buffers[index].1) }
        #expect(arena.allocate(33) == buffers[4].0)
        #expect(arena.allocate(20) == buffers[2].0)
        #expect(arena.allocate(17) == buffers[0].0)
        #expect(arena.bytesReserved == 4 * 192)
    }

    /// Random requests: buffers in use never overlap, and what is written to one stays.
    @Test func buffersInUseDoNotOverlap() {
        let arena = Arena()
        var generator = Generator(state: 7)
        var buffers: [(pointer: UnsafeMutablePointer<Float>, count: Int, mark: Float)] = []
        for round in 0..<20_000 {
            if buffers.count > 40 || (!buffers.isEmpty && generator.next() % 2 == 0) {
                let buffer = buffers.remove(at: Int(generator.next() % UInt64(buffers.count)))
                #expect((0..<buffer.count).allSatisfy { buffer.pointer[$0] == buffer.mark })
                arena.release(buffer.pointer, count: buffer.count)
            } else {
                let count = Int(generator.next() % 300)
                let pointer = arena.allocate(count)
                pointer.update(repeating: Float(round), count: count)
                #expect(UInt(bitPattern: pointer) % 64 == 0)
                buffers.append((pointer, count, Float(round)))
            }
        }
        for buffer in buffers { arena.release(buffer.pointer, count: buffer.count) }
        #expect(arena.bytesInUse == 0)
        #expect(arena.bytesReserved < 2 * arena.peakBytesInUse)
    }

    @Test func theSameRequestsGetTheSameMemory() {
        let arena = Arena()
        func addresses() -> [UnsafeMutablePointer<Float>] {
            let buffers = [100, 3_000_000, 7, 20_000_000, 100].map { (arena.allocate($0), $0) }
            arena.release(buffers[1].0, count: buffers[1].1)
            let last = arena.allocate(1000)
            for (buffer, count) in buffers where count != 3_000_000 { arena.release(buffer, count: count) }
            arena.release(last, count: 1000)
            return buffers.map(\.0) + [last]
        }
        #expect(addresses() == addresses())
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

/// Numbers without a pattern that matters (Knuth's linear congruential generator).
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}
