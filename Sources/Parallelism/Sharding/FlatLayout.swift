import Models

/// Where every parameter of this rank lies in the flat buffers: one after the other, in the order of the forward pass.
public struct FlatLayout: Sendable {
    public struct Entry: Sendable {
        public let specification: ParameterSpecification
        public let slice: ParameterSlice
        /// Elements of the flat buffers that hold the slice, row-major.
        public let range: Range<Int>
        /// Whether every tensor-parallel rank holds the same copy.
        public let isReplicated: Bool
    }

    public let entries: [Entry]
    /// Elements of a flat buffer.
    public let count: Int
    /// For each declared stack: where it begins, and the slices of its parameters.
    let stackStarts: [Int]
    let slices: [[ParameterSlice]]

    /// Where a declared parameter, or stack of them, begins.
    public func start(of parameter: Parameter) -> Int { stackStarts[parameter.index] }

    /// Stacks begin at multiples of 16 floats, a cache line.
    private static let alignment = 16

    public init(_ declarations: ParameterDeclarations, plan: ShardingPlan) {
        var entries: [Entry] = []
        var stackStarts: [Int] = []
        var slices: [[ParameterSlice]] = []
        var end = 0
        func align() { end = (end + Self.alignment - 1) / Self.alignment * Self.alignment }
        for stack in declarations.stacks {
            align()
            stackStarts.append(end)
            slices.append(stack.map(plan.slice(of:)))
            for (specification, slice) in zip(stack, slices[slices.count - 1]) {
                entries.append(
                    Entry(
                        specification: specification, slice: slice, range: end..<end + slice.count,
                        isReplicated: plan.isReplicated(specification)))
                end += slice.count
            }
        }
        align()
        self.entries = entries
        self.stackStarts = stackStarts
        self.slices = slices
        count = end
    }
}
