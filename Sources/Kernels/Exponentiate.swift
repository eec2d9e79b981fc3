/// Replaces each of `count` numbers by e^(x - offset) and returns their sum.
///
/// Single precision within 1,024 elements, double beyond, so that a vocabulary's worth of terms loses no digits.
public func exponentiate(_ x: UnsafeMutablePointer<Float>, count: Int, minus offset: Float) -> Float {
    var total = 0.0
    var start = 0
    while start < count {
        let end = min(start + 1024, count)
        for index in start..<end { x[index] = exponential(x[index] - offset) }
        let block = UnsafePointer(x + start)
        total += Double(
            sum(count: end - start) {
                block.vector(at: $0)
            } term: {
                block[$0]
            })
        start = end
    }
    return Float(total)
}

/// Replaces each of `count` numbers by e^(x - offset), with offsets of their own, and adds the results to sums of their
/// own: a row of a matrix whose columns are summed.
public func exponentiate(
    _ x: UnsafeMutablePointer<Float>, minus offsets: UnsafePointer<Float>, count: Int,
    addingTo sums: UnsafeMutablePointer<Float>
) {
    for index in 0..<count {
        let result = exponential(x[index] - offsets[index])
        x[index] = result
        sums[index] += result
    }
}
