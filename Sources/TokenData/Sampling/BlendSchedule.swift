import Numerics

/// Which data set of a blend each sample comes from.
///
/// The assignment repeats after `period` samples and is spread evenly within: after any number of samples every data
/// set has had its share, give or take one or two. It is a function of the sample's index alone.
struct BlendSchedule: Sendable {
    static let period = 1 << 16

    /// [period] the data set that each sample comes from.
    private let components: [UInt16]
    /// [period] how many samples of that data set come before, in this period.
    private let ranks: [UInt32]
    /// [data sets] samples of each in a period.
    private let counts: [Int]

    /// - Parameter weights: positive and finite, in any unit.
    init(weights: [Double]) throws {
        guard let bad = weights.first(where: { !($0 > 0 && $0.isFinite) }) else {
            guard !weights.isEmpty, weights.count <= Self.period / 16 else {
                throw ApusError(
                    "blending data sets", "expected 1 to \(Self.period / 16) data sets, found \(weights.count)")
            }
            counts = Self.counts(weights)
            (components, ranks) = Self.spread(counts)
            return
        }
        throw ApusError(
            "blending data sets", "expected positive weights, found \(bad)",
            remedy: "leave out the data sets that should not be used")
    }

    /// The data set that sample `index` comes from, and how many samples have come from it before.
    func assignment(of index: UInt64) -> (component: Int, index: UInt64) {
        let (cycle, slot) = index.quotientAndRemainder(dividingBy: UInt64(Self.period))
        let component = Int(components[Int(slot)])
        return (component, cycle * UInt64(counts[component]) + UInt64(ranks[Int(slot)]))
    }

    /// Shares of a period in proportion to the weights, by largest remainder, at least one each.
    private static func counts(_ weights: [Double]) -> [Int] {
        let total = weights.reduce(0, +)
        let shares = weights.map { $0 / total * Double(period) }
        var counts = shares.map { max(Int($0), 1) }
        let byNeed = weights.indices.sorted { shares[$0] - Double(counts[$0]) > shares[$1] - Double(counts[$1]) }
        var missing = period - counts.reduce(0, +)
        for component in byNeed where missing > 0 {
            counts[component] += 1
            missing -= 1
        }
        // Data sets raised to their one sample are paid for by the largest.
        while missing < 0, let largest = counts.indices.max(by: { counts[$0] < counts[$1] }) {
            counts[largest] -= 1
            missing += 1
        }
        return counts
    }

    /// Gives each sample to the data set that is furthest behind its share.
    private static func spread(_ counts: [Int]) -> (components: [UInt16], ranks: [UInt32]) {
        var components: [UInt16] = []
        var ranks: [UInt32] = []
        var used = counts.map { _ in 0 }
        for slot in 1...period {
            var next = 0
            var largestLag = Int.min
            for component in counts.indices where used[component] < counts[component] {
                let lag = counts[component] * slot - used[component] * period
                if lag > largestLag { (next, largestLag) = (component, lag) }
            }
            components.append(UInt16(next))
            ranks.append(UInt32(used[next]))
            used[next] += 1
        }
        return (components, ranks)
    }
}
