/// A parameter as the model sees it: whole, with a logical name, whatever slice of it a rank will own.
public struct ParameterSpecification: Hashable, Sendable {
    /// Dotted path, for example `blocks.0.attention.query.weight`; the same on every layout and in every checkpoint.
    public let name: String
    /// The whole shape: `[outputs, inputs]` of a linear weight, `[n]` of a bias or norm.
    public let shape: [Int]
    public let partition: Partition
    public let initializer: Initializer
    /// Whether weight decay applies: matrices yes, biases, norms and position tables no.
    public let isDecayed: Bool

    public init(
        name: String, shape: [Int], partition: Partition, initializer: Initializer, isDecayed: Bool
    ) {
        self.name = name
        self.shape = shape
        self.partition = partition
        self.initializer = initializer
        self.isDecayed = isDecayed
    }

    public var count: Int { shape.reduce(1, *) }

    /// How tensor parallelism may cut a parameter.
    public enum Partition: Hashable, Sendable {
        /// Every tensor-parallel rank holds all of it.
        case replicated
        /// Contiguous ranges along one dimension, cut only at multiples of `granularity` (for example a head's rows).
        case split(dimension: Int, granularity: Int)
    }

    public enum Initializer: Hashable, Sendable {
        case constant(Float)
        /// Normal with mean zero, from the counter-based generator keyed by seed, name and element index.
        case normal(standardDeviation: Float)
    }
}

/// The part of a parameter that one rank holds: a range of every dimension of the whole.
public struct ParameterSlice: Hashable, Sendable {
    public let ranges: [Range<Int>]

    public init(ranges: [Range<Int>]) { self.ranges = ranges }

    public var shape: [Int] { ranges.map(\.count) }
    public var count: Int { ranges.reduce(1) { $0 * $1.count } }
}
