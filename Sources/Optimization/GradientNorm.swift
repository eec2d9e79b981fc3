import Numerics

/// Sums the squares of chosen ranges of a flat gradient buffer.
///
/// The ranges are cut into fixed tiles whose sums are added in order: the same bits for any thread count. Single
/// precision within 1,024 elements, double beyond.
public final class GradientNorm {
    private let tiles: [Range<Int>]
    private let partialSums: UnsafeMutableBufferPointer<Double>

    private static let tileSize = 1 << 15

    public init(ranges: [Range<Int>]) {
        tiles = ranges.flatMap { range in
            stride(from: range.lowerBound, to: range.upperBound, by: Self.tileSize).map {
                $0..<min($0 + Self.tileSize, range.upperBound)
            }
        }
        partialSums = .allocate(capacity: tiles.count)
    }

    deinit { partialSums.deallocate() }

    public func sumOfSquares(_ gradients: UnsafeMutableBufferPointer<Float>, pool: ThreadPool) -> Double {
        let partialSums = partialSums
        tiles.withUnsafeBufferPointer { tiles in
            pool.forEachTile(tiles.count) { index, _ in
                partialSums[index] = Self.sumOfSquares(UnsafeMutableBufferPointer(rebasing: gradients[tiles[index]]))
            }
        }
        return partialSums.reduce(0, +)
    }

    private static func sumOfSquares(_ values: UnsafeMutableBufferPointer<Float>) -> Double {
        let raw = UnsafeRawPointer(values.baseAddress!)
        var total = 0.0
        var index = 0
        while index + 32 <= values.count {
            let end = min(index + 1024, values.count / 32 * 32)
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
        while index < values.count {
            total += Double(values[index]) * Double(values[index])
            index += 1
        }
        return total
    }
}
