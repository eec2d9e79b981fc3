import Autograd
import Collectives
import Models
import Numerics

/// This rank's parameters and gradients: one flat buffer each, in forward order, with a tensor as a view of a range.
///
/// Optimizers, gradient exchange and checkpoints work on the flat buffers; layers on the bindings.
public final class ParameterStore {
    public struct Entry: Sendable {
        public let specification: ParameterSpecification
        public let slice: ParameterSlice
        /// Elements of the flat buffers that hold the slice, row-major.
        public let range: Range<Int>
        /// Whether every tensor-parallel rank holds the same copy.
        public let isReplicated: Bool
    }

    public let entries: [Entry]
    public let bindings: ParameterBindings
    public let values: UnsafeMutableBufferPointer<Float>
    /// Empty for a model that is only run.
    public let gradients: UnsafeMutableBufferPointer<Float>

    private let declarations: ParameterDeclarations

    /// Stacks begin at multiples of 16 floats, a cache line.
    private static let alignment = 16

    /// - Parameters:
    ///   - dataCommunicator: Lends the gradient buffer, so that replicas can sum gradients where they are;
    ///     nil makes a store without gradients.
    public init(
        _ declarations: ParameterDeclarations, plan: ShardingPlan, dataCommunicator: (any Communicator)?, tape: Tape
    ) {
        self.declarations = declarations
        var entries: [Entry] = []
        var stackStarts: [Int] = []
        var slices: [[ParameterSlice]] = []
        var end = 0
        for stack in declarations.stacks {
            end = (end + Self.alignment - 1) / Self.alignment * Self.alignment
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
        let count = (end + Self.alignment - 1) / Self.alignment * Self.alignment
        values = UnsafeMutableBufferPointer(start: Arena.allocateAligned(count), count: count)
        gradients =
            dataCommunicator?.allocate(count, label: "gradients") ?? UnsafeMutableBufferPointer(start: nil, count: 0)
        tape.pool.forEachRange(count, tileSize: 1 << 20) { [values] range, _ in
            UnsafeMutableBufferPointer(rebasing: values[range]).update(repeating: 0)
        }
        self.entries = entries
        let tensors = zip(stackStarts, slices).map { [values, gradients] start, slices in
            // A vector is one row; stacked matrices are one matrix of all their rows.
            let isVector = slices[0].shape.count == 1
            let rows = isVector ? 1 : slices.reduce(0) { $0 + $1.shape[0] }
            let columns = isVector ? slices.reduce(0) { $0 + $1.count } : slices[0].shape[1]
            return tape.bind(
                values.baseAddress! + start, gradient: gradients.baseAddress.map { $0 + start }, rows: rows,
                columns: columns)
        }
        bindings = ParameterBindings(tensors: tensors, slices: slices)
    }

    deinit { Arena.deallocate(values.baseAddress!) }

    /// The elements of one parameter's slice.
    public func values(of entry: Entry) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: values[entry.range])
    }

    /// Numbers held on this rank, padding not counted.
    public var count: Int { entries.reduce(0) { $0 + $1.range.count } }
}
