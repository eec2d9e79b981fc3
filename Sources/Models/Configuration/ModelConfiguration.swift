/// The shape of a causal decoder: everything that decides which parameters exist and how they are used.
///
/// Sizes follow the usual names: `hiddenSize` is the width of the residual stream, `feedForwardSize` that of the
/// hidden layer of a block's feed-forward part.
public struct ModelConfiguration: Hashable, Sendable {
    public var architecture: Architecture
    public var layers: Int
    public var hiddenSize: Int
    public var heads: Int
    /// Key/value heads shared by groups of query heads (grouped-query attention); equal to `heads` for plain attention.
    public var keyValueHeads: Int
    public var feedForwardSize: Int
    /// The longest sequence in tokens.
    public var contextLength: Int
    public var vocabularySize: Int
    /// Whether the output projection shares the token embedding's weights.
    public var tiedEmbeddings: Bool
    /// Probability of zeroing an element of the embeddings, the attention weights and the residual branches.
    public var dropout: Float
    public var normEpsilon: Float
    /// The base of RoPE's frequencies (Llama only).
    public var ropeTheta: Float
    /// Standard deviation of the initial weights; projections into the residual stream get it divided by √(2·layers).
    public var initializerRange: Float

    public enum Architecture: String, Hashable, Sendable, CaseIterable {
        /// Learned positions, LayerNorm, GELU (tanh), biases (Radford et al. 2019).
        case gpt2
        /// RoPE, RMSNorm, SwiGLU, grouped-query attention, no biases (Touvron et al. 2023).
        case llama
    }

    public init(
        architecture: Architecture, layers: Int, hiddenSize: Int, heads: Int, keyValueHeads: Int? = nil,
        feedForwardSize: Int? = nil, contextLength: Int, vocabularySize: Int, tiedEmbeddings: Bool? = nil,
        dropout: Float = 0, normEpsilon: Float = 1e-5, ropeTheta: Float = 10_000, initializerRange: Float = 0.02
    ) {
        self.architecture = architecture
        self.layers = layers
        self.hiddenSize = hiddenSize
        self.heads = heads
        self.keyValueHeads = keyValueHeads ?? heads
        self.feedForwardSize = feedForwardSize ?? Self.defaultFeedForwardSize(architecture, hiddenSize: hiddenSize)
        self.contextLength = contextLength
        self.vocabularySize = vocabularySize
        self.tiedEmbeddings = tiedEmbeddings ?? (architecture == .gpt2)
        self.dropout = dropout
        self.normEpsilon = normEpsilon
        self.ropeTheta = ropeTheta
        self.initializerRange = initializerRange
    }

    public var headSize: Int { hiddenSize / heads }

    /// 4 × width for GPT-2; for SwiGLU 8/3 × width rounded up to a multiple of 64, which costs the same.
    public static func defaultFeedForwardSize(_ architecture: Architecture, hiddenSize: Int) -> Int {
        switch architecture {
        case .gpt2: 4 * hiddenSize
        case .llama: (hiddenSize * 8 / 3 + 63) / 64 * 64
        }
    }
}

extension ModelConfiguration {
    /// Initial standard deviation of projections into the residual stream: their sum over 2 × layers branches keeps the
    /// variance of one (Radford et al. 2019, §2.3).
    var residualInitializerRange: Float { initializerRange / Float(2 * layers).squareRoot() }
}
