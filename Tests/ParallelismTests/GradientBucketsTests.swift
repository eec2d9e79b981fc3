import Parallelism
import Testing

@Suite struct GradientBucketsTests {
    @Test(arguments: [[], [0], [10, 400, 700], [999], [1_000]])
    func bucketsCoverEverythingFromTheEnd(_ starts: [Int]) {
        let buckets = GradientBuckets(count: 1_000, starts: starts, smallest: 100).ranges
        #expect(buckets.first?.upperBound == 1_000)
        #expect(buckets.last?.lowerBound == 0)
        for (later, earlier) in zip(buckets, buckets.dropFirst()) {
            #expect(later.lowerBound == earlier.upperBound)
            #expect(later.count >= 100)
        }
    }

    @Test func bucketsEndWhereLayersBegin() {
        let buckets = GradientBuckets(count: 1_000, starts: [50, 300, 350, 800], smallest: 100)
        #expect(buckets.ranges == [800..<1_000, 350..<800, 50..<350, 0..<50])
        #expect([900, 800, 799, 350, 300, 50, 1, 0].map(buckets.complete) == [0, 1, 1, 2, 2, 3, 3, 4])
    }

    @Test func aBufferOfNothingHasNone() {
        #expect(GradientBuckets(count: 0, starts: [0]).ranges.isEmpty)
    }
}
