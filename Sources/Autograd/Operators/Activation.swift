/// The function that a linear operator applies to its sums.
public enum Activation: Hashable, Sendable {
    case none
    /// The tanh form of GELU (Hendrycks & Gimpel 2016), as in GPT-2.
    case geluTanh
}
