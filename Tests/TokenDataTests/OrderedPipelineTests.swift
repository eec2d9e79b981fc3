import Foundation
import Numerics
import Synchronization
import Testing
import TokenData

@Suite struct OrderedPipelineTests {
    @Test(arguments: [1, 2, 7])
    func resultsComeInOrder(threads: Int) throws {
        var results: [Int] = []
        let pipeline = OrderedPipeline<Int, Int>(
            threadCount: threads, mostInFlight: 20,
            makeWork: {
                { item in
                    // Early items take longest, so that later ones overtake them.
                    if item % 10 == 0 { usleep(2_000) }
                    return item * item
                }
            }, consume: { results.append($0) })
        for item in 0..<200 { try pipeline.submit(item, cost: 1) }
        try pipeline.finish()
        #expect(results == (0..<200).map { $0 * $0 })
    }

    @Test func whatIsInFlightIsBounded() throws {
        let begun = Mutex(0)
        let largest = Mutex(0)
        let pipeline = OrderedPipeline<Int, Int>(
            threadCount: 2, mostInFlight: 10, makeWork: { { $0 } },
            consume: { _ in
                usleep(500)
                begun.withLock { $0 -= 1 }
            })
        for item in 0..<60 {
            // One item is dearer than all that may be in flight together.
            try pipeline.submit(item, cost: item == 30 ? 50 : 5)
            let count = begun.withLock { count in
                count += 1
                return count
            }
            largest.withLock { $0 = max($0, count) }
        }
        try pipeline.finish()
        // Two by cost, and one that was let in between the end of `consume` and the count.
        #expect(largest.withLock { $0 } <= 3)
    }

    @Test(arguments: [true, false])
    func theFirstErrorEndsEverything(inWork: Bool) throws {
        var consumed: [Int] = []
        let pipeline = OrderedPipeline<Int, Int>(
            threadCount: 3, mostInFlight: 4,
            makeWork: {
                { item in
                    if inWork, item == 20 { throw ApusError("testing", "failed") }
                    return item
                }
            },
            consume: { item in
                if !inWork, item == 20 { throw ApusError("testing", "failed") }
                consumed.append(item)
            })
        #expect(throws: ApusError.self) {
            for item in 0..<100_000 { try pipeline.submit(item, cost: 1) }
        }
        #expect(throws: ApusError.self) { try pipeline.finish(cancelling: true) }
        #expect(consumed == Array(0..<consumed.count) && consumed.count <= 20)
    }
}
