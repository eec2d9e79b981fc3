/// What reductions can combine. The loops below are written so that the compiler vectorises them.
protocol ReducibleElement: BitwiseCopyable {
    static func sum(_ a: Self, _ b: Self) -> Self
    /// A NaN on either side is handed on: a maximum must not hide that one rank's numbers have blown up.
    static func larger(_ a: Self, _ b: Self) -> Self
    static func smaller(_ a: Self, _ b: Self) -> Self
}

extension ReducibleElement where Self: FloatingPoint {
    @inline(__always) static func sum(_ a: Self, _ b: Self) -> Self { a + b }
    @inline(__always) static func larger(_ a: Self, _ b: Self) -> Self { a > b || a != a ? a : b }
    @inline(__always) static func smaller(_ a: Self, _ b: Self) -> Self { a < b || a != a ? a : b }
}

extension Float: ReducibleElement {}
extension Double: ReducibleElement {}

extension Int64: ReducibleElement {
    /// Wraps around: a count that overflows must not end the job.
    @inline(__always) static func sum(_ a: Int64, _ b: Int64) -> Int64 { a &+ b }
    @inline(__always) static func larger(_ a: Int64, _ b: Int64) -> Int64 { a > b ? a : b }
    @inline(__always) static func smaller(_ a: Int64, _ b: Int64) -> Int64 { a < b ? a : b }
}

extension Reduction {
    /// result[i] = a[i] ∘ b[i]. `result` must not overlap `a` or `b`: the compiler's overlap check would then choose
    /// a loop that is not vectorised.
    func combine<Element: ReducibleElement>(
        _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>, into result: UnsafeMutablePointer<Element>, count: Int
    ) {
        switch self {
        case .sum: for i in 0..<count { result[i] = .sum(a[i], b[i]) }
        case .max: for i in 0..<count { result[i] = .larger(a[i], b[i]) }
        case .min: for i in 0..<count { result[i] = .smaller(a[i], b[i]) }
        }
    }
}
