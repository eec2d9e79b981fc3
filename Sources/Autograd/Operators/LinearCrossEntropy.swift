import Numerics

extension Tape {
    /// The output projection and the softmax cross-entropy in one: the sum over tokens of -log p(target) × `scale`.
    ///
    /// The scores `[N, V]` never exist: they are computed for a chunk of tokens at a time, see `CrossEntropyChunk`, and
    /// while recording the chunk's gradients with respect to `hidden` and `weight` follow at once, with the scores still
    /// in memory.
    /// Calling it is the whole of the loss's backward pass but for handing `hidden` its gradient.
    ///
    /// - Parameters:
    ///   - hidden: `[N, C]`.
    ///   - weight: `[V, C]`, rows `firstRow..<firstRow + V` of the vocabulary.
    ///   - targets: `[N]` ids; a negative one is left out.
    ///   - scale: Usually 1 / (tokens over which the loss is averaged).
    ///   - vocabularySize: Rows of the whole vocabulary; where it is split, every rank must give the same, for it decides
    ///     the chunks and so how often statistics are merged. `V` where it is left out.
    ///   - reduction: Merges statistics over the ranks that hold the other rows; nil where the vocabulary is whole.
    ///     `hidden`'s gradient is then this rank's part, to be summed over the ranks.
    ///   - losses: Receives -log p(target) of each token, `[N]`, 0 where it is left out.
    public func linearCrossEntropy(
        _ hidden: Tensor, weight: Tensor, targets: UnsafeBufferPointer<Int32>, scale: Float, firstRow: Int = 0,
        vocabularySize: Int? = nil, reduction: (any SoftmaxReduction)? = nil, losses: UnsafeMutablePointer<Float>? = nil
    ) -> Double {
        precondition(hidden.columns == weight.columns && targets.count == hidden.rows)
        let mark = mark()
        let inside = makeAlias(of: hidden)
        let hiddenSink = isRecording ? gradientSink(inside) : nil
        let weightSink = isRecording ? gradientSink(weight) : nil
        let projection = VocabularyProjection(
            hidden: value(hidden), weight: value(weight), columns: hidden.columns, vocabulary: weight.rows,
            firstRow: firstRow, targets: targets, scale: scale, pool: pool)
        let chunkRows = CrossEntropyChunk.rows(tokens: hidden.rows, vocabulary: vocabularySize ?? weight.rows)

        var loss = 0.0
        withScratch(CrossEntropyChunk.scratchCount(rows: chunkRows, of: projection)) { scratch in
            for start in stride(from: 0, to: hidden.rows, by: chunkRows) {
                let rows = start..<min(start + chunkRows, hidden.rows)
                let chunk = CrossEntropyChunk(projection, rows: rows, scratch: scratch)
                chunk.computeProbabilities(reduction)
                loss += chunk.addLosses(into: losses)
                if let hiddenSink { chunk.writeHiddenGradient(into: hiddenSink.pointer) }
                if let weightSink {
                    chunk.addWeightGradient(
                        into: weightSink.pointer, accumulates: start > 0 || weightSink.accumulates)
                }
            }
        }
        if hiddenSink != nil { record(LinearCrossEntropy(hidden: hidden, inside: inside, weight: weight), since: mark) }
        return loss * Double(scale)
    }
}

struct LinearCrossEntropy: Operator {
    let hidden: Tensor
    /// Has the gradient that the forward pass computed.
    let inside: Tensor
    let weight: Tensor

    static let name: StaticString = "linear cross-entropy"

    /// The forward pass computes the gradients too; backwards one only changes hands.
    func cost(on tape: Tape) -> OperatorCost {
        let scores = Trace.Work.product(rows: hidden.rows, columns: weight.rows, depth: hidden.columns)
        // The scores themselves never have to leave the cache.
        let product = Trace.Work(operations: scores.operations)
        let hiddenGradient = tape.requiresGradient(hidden) ? product + .moving(hidden.count) : .init()
        let weightGradient = tape.requiresGradient(weight) ? product + .moving(weight.count) : .init()
        return OperatorCost(
            forward: product + .moving(hidden.count + weight.count) + hiddenGradient + weightGradient,
            shape: .init(rows: hidden.rows, inputs: hidden.columns, outputs: weight.rows))
    }

    func backward(on tape: Tape) { tape.passGradient(from: inside, to: hidden) }
}
