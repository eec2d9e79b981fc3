/// How ranks that share a replica's tokens or weights divide the work on activations.
public struct ActivationSplit: Hashable, Sendable {
    /// Whether tensor-parallel ranks also share out the tokens outside of tensor-parallel regions.
    public var sequence = false
    /// How the parts of a sequence attend to each other.
    public var contextAttention = ContextAttention.ring

    public init() {}
}

/// How ranks of the context axis, each with a part of every sequence, compute attention.
public enum ContextAttention: String, CaseIterable, Hashable, Sendable {
    /// Keys and values go round; any number of heads.
    case ring
    /// Each rank gets all tokens of some heads.
    case heads
}
