import Autograd
import Models

extension Mesh {
    /// How layers are split over the tensor axis.
    public func regions(_ split: ActivationSplit) -> any TensorRegions {
        guard tensor.size > 1 else { return UndividedRegions.shared }
        return split.sequence ? SequenceParallelRegions(tensor) : TensorParallelRegions(tensor)
    }

    /// How tokens attend to each other over the context axis.
    public func attention(_ split: ActivationSplit) -> any AttentionExecution {
        let context = self[.context]
        guard context.size > 1 else { return WholeSequences.shared }
        return switch split.contextAttention {
        case .ring: RingAttention(context)
        case .heads: HeadExchangeAttention(context)
        }
    }

    /// The tokens of every sequence that this rank has.
    ///
    /// - Parameter sequenceLength: Of the whole.
    public func positions(sequenceLength: Int) -> TokenPositions {
        .part(self[.context].rank, of: self[.context].size, sequenceLength: sequenceLength)
    }
}
