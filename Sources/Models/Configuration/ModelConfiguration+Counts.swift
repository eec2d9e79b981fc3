extension ModelConfiguration {
    /// Learned numbers, counted once where embeddings are tied.
    public var parameterCount: Int {
        let keyValueSize = keyValueHeads * headSize
        let attention = hiddenSize * (hiddenSize + 2 * keyValueSize) + hiddenSize * hiddenSize
        let embeddings = vocabularySize * hiddenSize * (tiedEmbeddings ? 1 : 2)
        switch architecture {
        case .gpt2:
            let biases = (hiddenSize + 2 * keyValueSize) + hiddenSize + feedForwardSize + hiddenSize
            let block = attention + 2 * hiddenSize * feedForwardSize + biases + 4 * hiddenSize
            return embeddings + contextLength * hiddenSize + layers * block + 2 * hiddenSize
        case .llama:
            let block = attention + 3 * hiddenSize * feedForwardSize + 2 * hiddenSize
            return embeddings + layers * block + hiddenSize
        }
    }

    /// Floating-point operations of one training step's forward and backward pass over `tokens` tokens:
    /// 6 × parameters (without the position table) × tokens, plus 6 × layers × width × context × tokens for causal
    /// attention. A tied embedding counts once: it is multiplied once, as the output projection.
    public func trainingFLOPs(tokens: Int, sequenceLength: Int) -> Double {
        var multiplied = parameterCount
        if architecture == .gpt2 { multiplied -= contextLength * hiddenSize }
        let attention = 6 * Double(layers) * Double(hiddenSize) * Double(sequenceLength) * Double(tokens)
        return 6 * Double(multiplied) * Double(tokens) + attention
    }
}
