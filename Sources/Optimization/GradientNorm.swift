import Numerics

/// Sums the squares of chosen ranges of a flat gradient buffer.
///
/// The ranges are cut into fixed tiles whose sums are added in order: the same bits whichever thread or rank computes
/// which tile. Single precision within 1,024 elements, double beyond.
public final class GradientNorm {
    /// A range of the buffer, and whether it is part of the norm.
    public struct Segment: Sendable {
        public var range: Range<Int>
        public var isCounted: Bool

        public init(range: Range<Int>, isCounted: Bool) {
            self.range = range
            self.isCounted = isCounted
        }
    }

    public let tiles: [Segment]
    private let partialSums: UnsafeMutableBufferPointer<Double>
    private let ownsPartialSums: Bool

    private static let tileSize = 1 << 15

    /// The tiles of segments: each of a segment's own, in order.
    public static func tiles(of segments: [Segment]) -> [Segment] {
        segments.flatMap { segment in
            stride(from: segment.range.lowerBound, to: segment.range.upperBound, by: tileSize).map {
                Segment(
                    range: $0..<min($0 + tileSize, segment.range.upperBound), isCounted: segment.isCounted)
            }
        }
    }

    /// - Parameter partialSums: Memory for one number a tile, zero at first; ranks that share out the tiles have it in
    ///   common.
    public init(tiles: [Segment], partialSums: UnsafeMutableBufferPointer<Double>) {
        precondition(partialSums.count == tiles.count, "\(partialSums.count) sums for \(tiles.count) tiles")
        self.tiles = tiles
        self.partialSums = partialSums
        ownsPartialSums = false
    }

    public init(ranges: [Range<Int>]) {
        tiles = Self.tiles(of: ranges.map { Segment(range: $0, isCounted: true) })
        partialSums = .allocate(capacity: tiles.count)
        partialSums.initialize(repeating: 0)
        ownsPartialSums = true
    }

    deinit {
        if ownsPartialSums { partialSums.deallocate() }
    }

    /// Takes one tile's squares from `gradients`, the whole buffer's beginning.
    public func addTile(_ index: Int, of gradients: UnsafePointer<Float>) {
        guard tiles[index].isCounted else { return }
        let range = tiles[index].range
        partialSums[index] = Self.sumOfSquares(gradients + range.lowerBound, count: range.count)
    }

    /// The sum over all tiles, as they were last taken.
    public var sumOfSquares: Double { partialSums.reduce(0, +) }

    public func sumOfSquares(_ gradients: UnsafeMutableBufferPointer<Float>, pool: ThreadPool) -> Double {
        pool.forEachTile(tiles.count) { index, _ in addTile(index, of: gradients.baseAddress!) }
        return sumOfSquares
    }

    private static func sumOfSquares(_ values: UnsafePointer<Float>, count: Int) -> Double {
        let raw = UnsafeRawPointer(values)
        var total = 0.0
        var index = 0
        while index + 32 <= count {
            let end = min(index + 1024, count / 32 * 32)
            var (even, odd) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
            while index < end {
                let first = raw.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
                let second = raw.loadUnaligned(fromByteOffset: index * 4 + 64, as: SIMD16<Float>.self)
                even.addProduct(first, first)
                odd.addProduct(second, second)
                index += 32
            }
            total += Double((even + odd).sum())
        }
        while index < count {
            total += Double(values[index]) * Double(values[index])
            index += 1
        }
        return total
    }
}
