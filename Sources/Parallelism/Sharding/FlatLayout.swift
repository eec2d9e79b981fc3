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
        /// Whether another pipeline stage holds the parameter too, and answers for it.
        public let isCopy: Bool
    }

    public let entries: [Entry]
    /// Elements of a flat buffer.
    public let count: Int
    /// For each declared stack: where it begins, and the slices of its parameters.
    let stackStarts: [Int]
    let slices: [[ParameterSlice]]
    /// For each declared stack whether it is here.
    let isHeld: [Bool]

    /// Where a declared parameter, or stack of them, begins; one that isn't here has no elements.
    public func start(of parameter: Parameter) -> Int { stackStarts[parameter.index] }

    /// Stacks begin at multiples of 16 floats, a cache line.
    private static let alignment = 16

    /// - Parameter holding: The parameters of this rank's part of the model; nil for the whole model.
    public init(_ declarations: ParameterDeclarations, plan: ShardingPlan, holding: HeldParameters? = nil) {
        var entries: [Entry] = []
        var stackStarts: [Int] = []
        var slices: [[ParameterSlice]] = []
        var end = 0
        func align() { end = (end + Self.alignment - 1) / Self.alignment * Self.alignment }
        let isHeld = declarations.stacks.indices.map { holding?.contains(stack: $0) ?? true }
        for (index, stack) in declarations.stacks.enumerated() {
            align()
            stackStarts.append(end)
            slices.append(stack.map(plan.slice(of:)))
            guard isHeld[index] else { continue }
            for (specification, slice) in zip(stack, slices[slices.count - 1]) {
                entries.append(
                    Entry(
                        specification: specification, slice: slice, range: end..<end + slice.count,
                        isReplicated: plan.isReplicated(specification),
                        isCopy: holding?.isCopy(stack: index) ?? false))
                end += slice.count
            }
        }
        align()
        self.entries = entries
        self.stackStarts = stackStarts
        self.slices = slices
        self.isHeld = isHeld
        count = end
    }
}
