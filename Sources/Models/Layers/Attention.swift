import Autograd
import Kernels

/// Causal self-attention with grouped key/value heads.
struct Attention: Sendable {
    let block: Int
    let queryKeyValue: OutputSplitLinear
    let output: InputSplitLinear
    let headSize: Int

    init(
        _ name: String, block: Int, _ model: ModelConfiguration, in declarations: inout ParameterDeclarations
    ) {
        self.block = block
        headSize = model.headSize
        let keyValueSize = model.keyValueHeads * headSize
        // Queries are cut together with the keys and values that they attend to.
        let groupSize = model.heads / model.keyValueHeads * headSize
        let hasBias = model.architecture == .gpt2
        queryKeyValue = OutputSplitLinear(
            [
                ("\(name).query", model.hiddenSize, groupSize), ("\(name).key", keyValueSize, headSize),
                ("\(name).value", keyValueSize, headSize),
            ],
            inputs: model.hiddenSize, hasBias: hasBias, standardDeviation: model.initializerRange, in: &declarations)
        output = InputSplitLinear(
            "\(name).output", inputs: model.hiddenSize, outputs: model.hiddenSize, granularity: groupSize,
            hasBias: hasBias, standardDeviation: model.residualInitializerRange, in: &declarations)
    }

    /// `[N, hiddenSize]` → `residual` + the attended values, `[N, hiddenSize]`.
    ///
    /// - Parameter x: The output of a norm that nothing else reads.
    func forward(
        _ x: Tensor, residual: Tensor, _ sequence: SequenceContext, _ context: ForwardContext
    ) -> Tensor {
        let tape = context.tape
        let projected = queryKeyValue.forward(x, context)
        context.finish(with: x)
        let shape = shape(sequence, context.parameters)
        let mixed: Tensor
        if let cache = sequence.cache {
            mixed = tape.cachedAttention(projected, shape, cache: cache[block], rotary: sequence.rotary)
        } else {
            mixed = context.attention.attend(
                projected, shape, positions: sequence.positions, rotary: sequence.rotary,
                dropout: context.dropout?.ofAttentionWeights(block: block), on: tape)
        }
        return output.forward(
            mixed, residual: residual, dropout: context.dropout?.at(.attentionOutput(block: block)), context)
    }

    private func shape(_ sequence: SequenceContext, _ parameters: ParameterBindings) -> AttentionShape {
        let queries = parameters.rows(of: queryKeyValue.weight, member: 0)
        let keys = parameters.rows(of: queryKeyValue.weight, member: 1)
        return AttentionShape(
            batch: sequence.batchSize, sequence: sequence.positions.sequenceLength, heads: queries.count / headSize,
            keyValueHeads: keys.count / headSize, headSize: headSize, firstHead: queries.lowerBound / headSize)
    }

    /// Key/value heads that this rank holds.
    func keyValueHeads(_ parameters: ParameterBindings) -> Int {
        parameters.rows(of: queryKeyValue.weight, member: 1).count / headSize
    }
}

/// How the rows of an activation inside of tensor-parallel regions are arranged into sequences, and what attention needs
/// to know of them.
struct SequenceContext {
    var batchSize: Int
    var positions: TokenPositions
    var rotary: RotaryTable?
    /// Present while generating: keys and values of the tokens before these.
    var cache: KeyValueCache?
}
