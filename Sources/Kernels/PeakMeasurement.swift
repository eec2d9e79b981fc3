import Numerics

/// What this machine could do at best: the denominators that speeds are judged by.
public enum PeakMeasurement {
    /// Fused multiply-adds of single precision on `threads` threads at once, in GFLOP/s (two operations each).
    ///
    /// Nothing but registers is touched. The loops are tried with vectors of 256 and of 512 bits, because which of them
    /// keeps the units busy depends on the processor. Takes 0.4 seconds.
    public static func multiplyAddGFLOPs(threads: Int) -> Double {
        let pool = ThreadPool(threadCount: threads)
        let iterations = 20_000
        let operations256 = 2 * 8 * accumulators * iterations
        let operations512 = 2 * 16 * accumulators * iterations
        return max(
            rate(pool, work: Double(operations256)) { multiplyAdds256(iterations) },
            rate(pool, work: Double(operations512)) { multiplyAdds512(iterations) })
    }

    /// Copying from memory to memory on `threads` threads at once, in GB/s, with reads and writes counted both.
    ///
    /// The buffers, 128 MiB together, are larger than the caches.
    public static func copyGBs(threads: Int) -> Double {
        let pool = ThreadPool(threadCount: threads)
        let count = 16 << 20
        let source = Arena.allocateAligned(count)
        let target = Arena.allocateAligned(count)
        defer {
            Arena.deallocate(source)
            Arena.deallocate(target)
        }
        source.update(repeating: 1, count: count)
        target.update(repeating: 0, count: count)
        let seconds = leastSeconds(within: .milliseconds(200)) {
            pool.forEachRange(count, tileSize: 1 << 16) { range, _ in
                (target + range.lowerBound).update(from: source + range.lowerBound, count: range.count)
            }
        }
        return Double(2 * 4 * count) / seconds / 1e9
    }

    /// Chains of multiply-adds that don't wait for each other: more than latency × units of any processor, and few
    /// enough to stay in sixteen registers beside the two constants.
    private static let accumulators = 12

    /// Billions of `work` a second, with tiles short enough for threads to end together.
    private static func rate(_ pool: ThreadPool, work: Double, _ body: () -> Float) -> Double {
        let tiles = 16 * pool.threadCount
        let sums = Arena.allocateAligned(tiles)
        defer { Arena.deallocate(sums) }
        let seconds = leastSeconds(within: .milliseconds(200)) {
            pool.forEachTile(tiles) { tile, _ in sums[tile] = body() }
        }
        // The chains tend to 1; using them keeps the compiler from leaving them out.
        precondition((0..<tiles).allSatisfy { sums[$0] > 0 })
        return work * Double(tiles) / seconds / 1e9
    }

    /// The fastest of as many runs as fit into `limit`: long enough for the system to have given every thread a core of
    /// its own.
    private static func leastSeconds(within limit: Duration, _ body: () -> Void) -> Double {
        let clock = ContinuousClock()
        let end = clock.now + limit
        var least = clock.measure(body)
        while clock.now < end { least = min(least, clock.measure(body)) }
        return least / .seconds(1)
    }

    @inline(never)
    private static func multiplyAdds256(_ iterations: Int) -> Float {
        multiplyAdds(iterations, start: SIMD8<Float>(repeating: 0.5), factor: 0.5, summand: 0.5).sum()
    }

    @inline(never)
    private static func multiplyAdds512(_ iterations: Int) -> Float {
        multiplyAdds(iterations, start: SIMD16<Float>(repeating: 0.5), factor: 0.5, summand: 0.5).sum()
    }

    @inline(__always)
    private static func multiplyAdds<Vector: SIMD>(
        _ iterations: Int, start: Vector, factor: Float, summand: Float
    ) -> Vector where Vector.Scalar == Float {
        let x = Vector(repeating: factor)
        let y = Vector(repeating: summand)
        var (a0, a1, a2, a3) = (start, start + x, start + y, start - x)
        var (a4, a5, a6, a7) = (a0 + x, a1 + x, a2 + x, a3 + y)
        var (a8, a9, a10, a11) = (a4 + x, a5 + x, a6 + x, a7 + y)
        for _ in 0..<iterations {
            a0 = y.addingProduct(a0, x)
            a1 = y.addingProduct(a1, x)
            a2 = y.addingProduct(a2, x)
            a3 = y.addingProduct(a3, x)
            a4 = y.addingProduct(a4, x)
            a5 = y.addingProduct(a5, x)
            a6 = y.addingProduct(a6, x)
            a7 = y.addingProduct(a7, x)
            a8 = y.addingProduct(a8, x)
            a9 = y.addingProduct(a9, x)
            a10 = y.addingProduct(a10, x)
            a11 = y.addingProduct(a11, x)
        }
        return a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11
    }
}
