import Autograd
import Kernels

/// A causal language model: GPT-2 or Llama, by its configuration.
///
/// Holds no numbers, only which parameters it uses and how; the same value serves every rank and every thread.
public struct Decoder: Sendable {
    public let configuration: ModelConfiguration
    public let declarations: ParameterDeclarations

    let embedding: Parameter
    let positions: Parameter?
    let blocks: [DecoderBlock]
    /// For each block the numbers of its parameters.
    let blockParameters: [Range<Int>]
    let finalNorm: Norm
    /// The output projection: the embedding itself where they are tied.
    let head: Parameter
    let rotary: RotaryTable?

    public init(_ configuration: ModelConfiguration) {
        self.configuration = configuration
        var declarations = ParameterDeclarations()
        func table(_ name: String, rows: Int, partition: ParameterSpecification.Partition, isDecayed: Bool)
            -> ParameterSpecification
        {
            ParameterSpecification(
                name: name, shape: [rows, configuration.hiddenSize], partition: partition,
                initializer: .normal(standardDeviation: configuration.initializerRange), isDecayed: isDecayed)
        }
        let vocabulary = ParameterSpecification.Partition.split(dimension: 0, granularity: 1)

        embedding = declarations.declare(
            table("embedding.weight", rows: configuration.vocabularySize, partition: vocabulary, isDecayed: true))
        switch configuration.architecture {
        case .gpt2:
            positions = declarations.declare(
                table(
                    "positions.weight", rows: configuration.contextLength, partition: .replicated, isDecayed: false))
            rotary = nil
        case .llama:
            positions = nil
            rotary = RotaryTable(
                headSize: configuration.headSize, contextLength: configuration.contextLength,
                theta: configuration.ropeTheta)
        }
        var blockParameters: [Range<Int>] = []
        blocks = (0..<configuration.layers).map { index in
            let first = declarations.stacks.count
            let block = DecoderBlock(index, configuration, in: &declarations)
            blockParameters.append(first..<declarations.stacks.count)
            return block
        }
        self.blockParameters = blockParameters
        finalNorm = Norm("finalNorm", configuration, in: &declarations)
        head =
            configuration.tiedEmbeddings
            ? embedding
            : declarations.declare(
                table("head.weight", rows: configuration.vocabularySize, partition: vocabulary, isDecayed: true))
        self.declarations = declarations
    }

    /// The parameters before which `BlockExecution.pass` is called.
    public var firstOfLayers: [Parameter] { blocks.flatMap(\.firstOfLayers) }

    /// Token embeddings and positions: `[batch × sequence]` ids → `[N, hiddenSize]`, the rows that this rank has outside of
    /// tensor-parallel regions.
    func embed(
        _ tokens: UnsafeBufferPointer<Int32>, _ sequence: SequenceContext, _ context: ForwardContext
    ) -> Tensor {
        let tape = context.tape
        let table = context.parameters[embedding]
        let firstRow = context.parameters.rows(of: embedding).lowerBound
        var x = context.regions.leave(tape.embedding(tokens, table: table, firstRow: firstRow), on: tape)
        if let positions = context.parameters[positions] {
            let rows = context.regions.rows(of: tokens.count)
            x = tape.addPositions(x, table: positions, positions: sequence.positions.dropping(rows: rows.lowerBound))
        }
        if let dropout = context.dropout { x = tape.dropout(x, dropout.at(.embedding)) }
        return x
    }

    func run(_ range: Range<Int>, _ x: Tensor, _ sequence: SequenceContext, _ context: ForwardContext) -> Tensor {
        blocks[range].reduce(x) { x, block in
            context.blocks.run(block: block.index, on: context.tape, x) { block.run($0, sequence, context) }
        }
    }

    /// Embeddings, all blocks and the final norm: `[batch × sequence]` ids → `[N, hiddenSize]`.
    private func hidden(
        _ tokens: UnsafeBufferPointer<Int32>, _ sequence: SequenceContext, _ context: ForwardContext
    ) -> Tensor {
        let x = embed(tokens, sequence, context)
        return finalNorm.forward(run(0..<blocks.count, x, sequence, context), context)
    }

    func sequence(of batch: TokenBatch) -> SequenceContext {
        SequenceContext(batchSize: batch.batchSize, positions: batch.positions, rotary: rotary)
    }

    /// Sum over the batch's tokens of -log p(next token) × `scale`, recorded for `Tape.backward()` while the tape
    /// records.
    ///
    /// - Parameter losses: Receives each token's loss, unscaled, `[batch × sequence]`.
    public func loss(
        _ batch: TokenBatch, scale: Float, losses: UnsafeMutablePointer<Float>? = nil, _ context: ForwardContext
    ) -> Double {
        let x = run(0..<blocks.count, embed(batch, context), of: batch, context)
        return loss(of: x, batch, scale: scale, losses: losses, context)
    }

    /// Scores of the token after each sequence: `[batch × sequence]` ids → `[batch, vocabularySize]`. Not recorded.
    ///
    /// With a cache the ids follow those that it has seen; without one they are whole sequences.
    public func nextTokenLogits(
        _ tokens: UnsafeBufferPointer<Int32>, batchSize: Int, cache: KeyValueCache? = nil, _ context: ForwardContext
    ) -> Tensor {
        let positions = TokenPositions(sequenceLength: tokens.count / batchSize, firstPosition: cache?.length ?? 0)
        let sequence = SequenceContext(batchSize: batchSize, positions: positions, rotary: rotary, cache: cache)
        let hidden = context.regions.enter(hidden(tokens, sequence, context), on: context.tape)
        let last = context.tape.makeTensor(rows: batchSize, columns: hidden.columns, requiresGradient: false)
        for row in 0..<batchSize {
            (context.tape.value(last) + row * last.columns).update(
                from: context.tape.value(hidden) + ((row + 1) * positions.sequenceLength - 1) * last.columns,
                count: last.columns)
        }
        return scores(last, context)
    }

    /// Scores of every next token: `[batch × sequence]` ids → `[batch × sequence, vocabularySize]`. Not recorded.
    public func logits(
        _ tokens: UnsafeBufferPointer<Int32>, batchSize: Int, _ context: ForwardContext
    ) -> Tensor {
        let sequence = SequenceContext(
            batchSize: batchSize, positions: TokenPositions(sequenceLength: tokens.count / batchSize), rotary: rotary)
        return scores(context.regions.enter(hidden(tokens, sequence, context), on: context.tape), context)
    }

    private func scores(_ hidden: Tensor, _ context: ForwardContext) -> Tensor {
        precondition(!context.tape.isRecording, "scores are for generation; train with loss(_:scale:_:)")
        let part = context.tape.linear(hidden, weight: context.parameters[head])
        return context.regions.gatherColumns(part, on: context.tape)
    }
}
