import Foundation
import Numerics
import Synchronization
import Testing

@Suite struct ThreadPoolTests {
    @Test(arguments: [1, 2, 4, 7])
    func everyTileRunsOnce(threads: Int) {
        let pool = ThreadPool(threadCount: threads)
        for tiles in [0, 1, 2, 3, 64, 1000] {
            let runs = UnsafeMutablePointer<Int>.allocate(capacity: max(tiles, 1))
            defer { runs.deallocate() }
            runs.initialize(repeating: 0, count: max(tiles, 1))
            pool.forEachTile(tiles) { tile, thread in
                #expect((0..<threads).contains(thread))
                runs[tile] += 1
            }
            #expect((0..<tiles).allSatisfy { runs[$0] == 1 })
        }
    }

    @Test func aLoopSeesTheWritesOfTheOneBefore() {
        let pool = ThreadPool(threadCount: 4)
        let values = UnsafeMutablePointer<Int>.allocate(capacity: 64)
        defer { values.deallocate() }
        values.initialize(repeating: 0, count: 64)
        for round in 1...2000 {
            pool.forEachTile(64) { tile, _ in values[tile] = values[63 - tile] > values[tile] ? 0 : round }
            pool.forEachTile(64) { tile, _ in values[tile] = round }
        }
        #expect((0..<64).allSatisfy { values[$0] == 2000 })
    }

    @Test func sleepingWorkersWakeUp() {
        let pool = ThreadPool(threadCount: 3)
        let sum = Atomic<Int>(0)
        for _ in 0..<20 {
            usleep(1000)
            pool.forEachTile(10) { tile, _ in sum.add(tile, ordering: .relaxed) }
        }
        #expect(sum.load(ordering: .relaxed) == 20 * 45)
    }

    @Test func rangesCoverTheCount() {
        let pool = ThreadPool(threadCount: 2)
        let lengths = Mutex<[Int]>([])
        pool.forEachRange(103, tileSize: 10) { range, _ in lengths.withLock { $0.append(range.count) } }
        #expect(lengths.withLock { $0.sorted() } == [3] + Array(repeating: 10, count: 10))
        pool.forEachRange(0, tileSize: 10) { _, _ in Issue.record("nothing to run") }
    }

    @Test func aPoolThatWasShutDownRunsOnItsCaller() {
        let pool = ThreadPool(threadCount: 4)
        pool.shutDown()
        pool.shutDown()
        var tiles: [Int] = []
        pool.forEachTile(5) { tile, thread in
            #expect(thread == 0)
            tiles.append(tile)
        }
        #expect(tiles == [0, 1, 2, 3, 4])
    }

    @Test func threadsEndWithTheirPool() throws {
        /// Other suites' threads come and go meanwhile, so pools of a telling size are made.
        func threads() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count }
        let before = try threads()
        do {
            let pool = ThreadPool(threadCount: 101)
            pool.forEachTile(2) { _, _ in }
            #expect(try threads() >= before + 60)
        }
        var looks = 0
        while try threads() > before + 50, looks < 200 {
            usleep(10_000)
            looks += 1
        }
        #expect(try threads() <= before + 50)
    }
}
