import Foundation

/// One axis of a plot: a range that holds all values, where they lie on it, and round ticks.
struct Axis {
    struct Tick {
        var value: Double
        var label: String
    }

    let range: ClosedRange<Double>
    let isLogarithmic: Bool
    let ticks: [Tick]

    /// Where a value lies: 0 at the lower end, 1 at the upper.
    func position(_ value: Double) -> Double {
        isLogarithmic
            ? (log10(value) - log10(range.lowerBound)) / (log10(range.upperBound) - log10(range.lowerBound))
            : (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    }

    /// Whole numbers from `range`, which is not widened.
    static func steps(_ range: ClosedRange<Int>) -> Axis {
        let lower = Double(range.lowerBound)
        let upper = Double(max(range.upperBound, range.lowerBound + 1))
        let spacing = max(roundSpacing(upper - lower, count: 8), 1)
        let ticks = multiples(of: spacing, in: lower...upper).map { Tick(value: $0, label: Quantity.count($0)) }
        return Axis(range: lower...upper, isLogarithmic: false, ticks: ticks)
    }

    /// The range of `values`, widened to the next ticks. `values` must be finite and not empty.
    static func linear(_ values: [Double]) -> Axis {
        var (lower, upper) = (values.min() ?? 0, values.max() ?? 1)
        // A flat curve gets a range around it that floating point can tell apart.
        if upper - lower <= abs(upper) * 1e-9 {
            let margin = max(abs(upper) * 0.05, 1e-6)
            (lower, upper) = (lower - margin, upper + margin)
        }
        let spacing = roundSpacing(upper - lower, count: 6)
        let range = (lower / spacing).rounded(.down) * spacing...(upper / spacing).rounded(.up) * spacing
        let decimals = min(max(Int(-log10(spacing).rounded(.down)), 0), 9)
        let ticks = multiples(of: spacing, in: range).map { value in
            let isPlain = abs(value) < 1e5 && spacing >= 1e-6
            return Tick(value: value, label: isPlain ? Quantity.fixed(value, decimals) : Quantity.scientific(value))
        }
        return Axis(range: range, isLogarithmic: false, ticks: ticks)
    }

    /// The range of `values`, all positive, widened to the next of 1, 2 and 5 times a power of ten.
    static func logarithmic(_ values: [Double]) -> Axis {
        let (lowest, highest) = (values.min() ?? 1, values.max() ?? 10)
        let exponents = Int(log10(lowest).rounded(.down))...Int(log10(highest).rounded(.down)) + 1
        // Many decades are labelled by powers of ten alone, and very many by every so manyth.
        let mantissas = exponents.count <= 5 ? [1.0, 2, 5] : [1.0]
        let stride = max(exponents.count / 8, 1)
        let candidates = exponents.flatMap { exponent in mantissas.map { $0 * pow(10, Double(exponent)) } }
        let lower = candidates.last { $0 <= lowest } ?? lowest
        let upper = candidates.first { $0 >= highest && $0 > lower } ?? highest
        let ticks = candidates.enumerated()
            .filter { $0.offset % stride == 0 && (lower...upper).contains($0.element) }
            .map { Tick(value: $0.element, label: logarithmicLabel($0.element)) }
        return Axis(range: lower...upper, isLogarithmic: true, ticks: ticks)
    }

    private static func logarithmicLabel(_ value: Double) -> String {
        let exponent = Int(log10(value).rounded(.down))
        return (-4..<5).contains(exponent)
            ? Quantity.fixed(value, max(-exponent, 0)) : String(format: "%.0e", value)
    }

    /// 1, 2 or 5 times a power of ten that cuts `length` into about `count` parts.
    private static func roundSpacing(_ length: Double, count: Int) -> Double {
        let rough = length / Double(count)
        let power = pow(10, log10(rough).rounded(.down))
        return [1, 2, 5].map { $0 * power }.first { $0 >= rough * 0.999 } ?? 10 * power
    }

    private static func multiples(of spacing: Double, in range: ClosedRange<Double>) -> [Double] {
        let first = (range.lowerBound / spacing - 1e-6).rounded(.up)
        let last = (range.upperBound / spacing + 1e-6).rounded(.down)
        guard last >= first else { return [] }
        return (0...Int(last - first)).map { (first + Double($0)) * spacing }
    }
}
