// Sums and maxima over a row. The compiler may not reorder floating-point additions, so a plain loop over them stays
// scalar; these keep explicit vector accumulators. The order of additions depends on the length alone, which makes the
// results the same bits wherever and on whichever thread they are computed.

/// Sixteen consecutive floats, at any address.
typealias Vector = SIMD16<Float>

extension UnsafePointer<Float> {
    @inline(__always)
    func vector(at index: Int) -> Vector { UnsafeRawPointer(self + index).loadUnaligned(as: Vector.self) }
}

extension SIMD16<Float> {
    /// The sum of the lanes, added pairwise.
    @inline(__always)
    var pairwiseSum: Float {
        let eight = lowHalf + highHalf
        let four = eight.lowHalf + eight.highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}

/// Adds `term(i)` for every i in `0..<count`; `vectorTerm(i)` gives those of i..<i+16 at once.
@inline(__always)
func sum(
    count: Int, vectorTerm: (_ index: Int) -> Vector, term: (_ index: Int) -> Float
) -> Float {
    var (first, second) = (Vector.zero, Vector.zero)
    var index = 0
    while index &+ 32 <= count {
        first += vectorTerm(index)
        second += vectorTerm(index &+ 16)
        index &+= 32
    }
    if index &+ 16 <= count {
        first += vectorTerm(index)
        index &+= 16
    }
    var tail: Float = 0
    while index < count {
        tail += term(index)
        index &+= 1
    }
    return (first + second).pairwiseSum + tail
}

/// The scalar product of two vectors.
package func dotProduct(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
    sum(count: count) {
        a.vector(at: $0) * b.vector(at: $0)
    } term: {
        a[$0] * b[$0]
    }
}

/// The largest of `count` numbers, -∞ for none. NaN among them may or may not be the result.
package func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var result = -Float.infinity
    var index = 0
    if count >= 16 {
        var largest = x.vector(at: 0)
        index = 16
        while index &+ 16 <= count {
            let next = x.vector(at: index)
            largest = largest.replacing(with: next, where: next .> largest)
            index &+= 16
        }
        for lane in 0..<16 { result = largest[lane] > result ? largest[lane] : result }
    }
    while index < count {
        result = x[index] > result ? x[index] : result
        index &+= 1
    }
    return result
}

/// Adds rows `0..<rows` of a matrix, first to last, into a vector or onto what is there.
///
/// - Parameter stride: floats from one row to the next.
public func sumRows(
    _ matrix: UnsafePointer<Float>, rows: Int, stride: Int, into total: UnsafeMutablePointer<Float>, columns: Int,
    accumulates: Bool
) {
    if !accumulates { total.update(repeating: 0, count: columns) }
    for row in 0..<rows {
        let source = matrix + row * stride
        for column in 0..<columns { total[column] += source[column] }
    }
}
