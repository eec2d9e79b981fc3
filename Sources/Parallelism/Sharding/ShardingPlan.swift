import Models

/// Decides which slice of every parameter a tensor-parallel rank holds.
///
/// A split parameter is cut into contiguous ranges of whole units (heads, rows); where the units don't divide evenly the
/// shares differ by at most one. Slices are disjoint and cover the whole, so checkpoints need no padding.
public struct ShardingPlan: Sendable {
    public let tensorRank: Int
    public let tensorSize: Int

    public init(tensorRank: Int, tensorSize: Int) {
        precondition((0..<tensorSize).contains(tensorRank))
        self.tensorRank = tensorRank
        self.tensorSize = tensorSize
    }

    public func slice(of parameter: ParameterSpecification) -> ParameterSlice {
        var ranges = parameter.shape.map { 0..<$0 }
        if case .split(let dimension, let granularity) = parameter.partition {
            let units = parameter.shape[dimension] / granularity
            precondition(units >= tensorSize, "\(parameter.name) has \(units) units for \(tensorSize) ranks")
            let first = units * tensorRank / tensorSize
            let end = units * (tensorRank + 1) / tensorSize
            ranges[dimension] = first * granularity..<end * granularity
        }
        return ParameterSlice(ranges: ranges)
    }

    /// Whether every tensor-parallel rank holds the same copy of a parameter.
    public func isReplicated(_ parameter: ParameterSpecification) -> Bool {
        tensorSize == 1 || parameter.partition == .replicated
    }
}
