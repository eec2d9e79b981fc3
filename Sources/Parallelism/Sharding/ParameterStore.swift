import Autograd
import Collectives
import Models
import Numerics

/// This rank's parameters and gradients: one flat buffer each, in forward order, with a tensor as a view of a range.
///
/// Optimizers, gradient exchange and checkpoints work on the flat buffers; layers on the bindings.
public final class ParameterStore {
    public typealias Entry = FlatLayout.Entry

    public let layout: FlatLayout
    public let bindings: ParameterBindings
    /// Replicas on one host may have this memory once between them: see `ReplicaMemory`.
    public let values: UnsafeMutableBufferPointer<Float>
    /// Empty for a model that is only run.
    public let gradients: UnsafeMutableBufferPointer<Float>

    private let memory: ReplicaMemory

    /// A store in memory of this rank alone, without gradients.
    public convenience init(_ declarations: ParameterDeclarations, plan: ShardingPlan, tape: Tape) {
        let layout = FlatLayout(declarations, plan: plan)
        self.init(layout, memory: .unshared(partCount: 0, commonBytes: layout.count * 4), tape: tape)
    }

    /// - Parameter memory: All zero. Values take the beginning of the common area, gradients this rank's part; where
    ///   that is empty there are no gradients.
    public init(_ layout: FlatLayout, memory: ReplicaMemory, tape: Tape) {
        self.layout = layout
        self.memory = memory
        let count = layout.count
        values = UnsafeMutableBufferPointer(
            start: memory.common.baseAddress!.bindMemory(to: Float.self, capacity: count), count: count)
        gradients = memory.part
        precondition(gradients.isEmpty || gradients.count == count, "\(gradients.count) gradients of \(count) values")
        let tensors = layout.stackStarts.indices.map { [values, gradients] stack -> Tensor? in
            guard layout.isHeld[stack] else { return nil }
            let (start, slices) = (layout.stackStarts[stack], layout.slices[stack])
            // A vector is one row; stacked matrices are one matrix of all their rows.
            let isVector = slices[0].shape.count == 1
            let rows = isVector ? 1 : slices.reduce(0) { $0 + $1.shape[0] }
            let columns = isVector ? slices.reduce(0) { $0 + $1.count } : slices[0].shape[1]
            return tape.bind(
                values.baseAddress! + start, gradient: gradients.isEmpty ? nil : gradients.baseAddress! + start,
                rows: rows, columns: columns)
        }
        bindings = ParameterBindings(tensors: tensors, slices: layout.slices)
    }

    public var entries: [Entry] { layout.entries }

    /// The entries whose values this rank writes where sharers have them in common: each writes some, and all must have
    /// done so before any uses them.
    public var entriesToFill: [Entry] {
        entries.indices.filter { $0 % memory.sharerCount == memory.index }.map { entries[$0] }
    }

    /// The elements of one parameter's slice.
    public func values(of entry: Entry) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: values[entry.range])
    }

    /// Numbers held on this rank, padding not counted.
    public var count: Int { entries.reduce(0) { $0 + $1.range.count } }
}
