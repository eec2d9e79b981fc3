/// How many ways each axis of parallelism cuts the job; their product is the number of ranks.
public struct MeshConfiguration: Hashable, Sendable, CustomStringConvertible {
    private var degrees = [Int](repeating: 1, count: MeshAxis.allCases.count)

    public init(data: Int = 1, pipeline: Int = 1, context: Int = 1, expert: Int = 1, tensor: Int = 1) {
        self[.data] = data
        self[.pipeline] = pipeline
        self[.context] = context
        self[.expert] = expert
        self[.tensor] = tensor
    }

    public subscript(axis: MeshAxis) -> Int {
        get { degrees[axis.index] }
        set { degrees[axis.index] = newValue }
    }

    public var data: Int {
        get { self[.data] }
        set { self[.data] = newValue }
    }
    public var pipeline: Int {
        get { self[.pipeline] }
        set { self[.pipeline] = newValue }
    }
    public var context: Int {
        get { self[.context] }
        set { self[.context] = newValue }
    }
    public var expert: Int {
        get { self[.expert] }
        set { self[.expert] = newValue }
    }
    public var tensor: Int {
        get { self[.tensor] }
        set { self[.tensor] = newValue }
    }

    public var size: Int { degrees.reduce(1, *) }

    /// Ranks that work on one replica of the model.
    public var replicaSize: Int { size / data }

    /// Into how many parts the global batch is cut: experts' parts see different samples as replicas do.
    public var batchParts: Int { data * expert }

    /// The axes to tell of: data and tensor always, the others where they cut anything.
    public var describedAxes: [MeshAxis] {
        MeshAxis.allCases.filter { $0 == .data || $0 == .tensor || self[$0] > 1 }
    }

    public var description: String { describedAxes.map { "\($0.rawValue) \(self[$0])" }.joined(separator: " × ") }

    /// Where a rank is on each axis, in the order of `MeshAxis.allCases`; the last axis varies fastest.
    func coordinates(of rank: Int) -> [Int] {
        var (rest, coordinates) = (rank, degrees)
        for axis in degrees.indices.reversed() {
            coordinates[axis] = rest % degrees[axis]
            rest /= degrees[axis]
        }
        return coordinates
    }

    /// Where a rank is on one axis.
    public func coordinate(_ axis: MeshAxis, of rank: Int) -> Int { coordinates(of: rank)[axis.index] }

    /// The rank at some coordinates.
    func rank(at coordinates: [Int]) -> Int {
        zip(degrees, coordinates).reduce(0) { $0 * $1.0 + $1.1 }
    }
}

extension MeshAxis {
    var index: Int { Self.allCases.firstIndex(of: self)! }
}
