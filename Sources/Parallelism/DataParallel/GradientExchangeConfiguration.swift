import Collectives

/// How replicas exchange gradients. Overlap changes no bit of the result; bfloat16 does.
public struct GradientExchangeConfiguration: Hashable, Sendable {
    public var overlap = Overlap.automatic
    /// What gradients are between hosts; inside a host they are never rounded.
    public var wireFormat = WireFormat.float32

    public init() {}

    /// Whether gradients are exchanged while the backward pass goes on, by a thread beside it.
    public enum Overlap: String, Hashable, Sendable, CaseIterable {
        /// Between hosts. Inside one, the thread would take from the cores what it saves: 0 to 4% slower on two of them.
        case automatic = "auto"
        case on
        case off
    }
}
