// Element-wise steps over one row, for what follows a matrix product. Arguments named separately must not overlap: the
// compiler's vector code is skipped where they do.

/// Adds `count` numbers to others.
public func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { y[i] += x[i] }
}

/// Multiplies `count` numbers by factors of their own.
public func multiply(_ y: UnsafeMutablePointer<Float>, by factors: UnsafePointer<Float>, count: Int) {
    for i in 0..<count { y[i] *= factors[i] }
}

/// Writes `count` products of two vectors.
public func multiply(
    _ x: UnsafePointer<Float>, by factors: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
) {
    for i in 0..<count { y[i] = x[i] * factors[i] }
}

/// Raises each of `count` numbers to another where that is larger.
public func raise(_ y: UnsafeMutablePointer<Float>, to x: UnsafePointer<Float>, count: Int) {
    for i in 0..<count { y[i] = x[i] > y[i] ? x[i] : y[i] }
}
