/// What became of one fault.
public struct Outcome: Sendable {
    public var kind: Fault.Kind
    /// Whether it happened: a checkpoint to damage may not be there, a place may not be come to.
    public var isInjected = false
    /// From the fault until the coordinator told of it, or until the workers of a dead one had left; in seconds.
    public var detection: Double?
    /// From the fault until the next step was done, in seconds.
    public var recovery: Double?
    /// Steps that had to be done again.
    public var stepsLost: Int?

    /// Set where the fault should have been told of and was not.
    public var silence: String?

    init(_ kind: Fault.Kind) { self.kind = kind }

    public var isSurvived: Bool { recovery != nil && silence == nil }
}
