/// What a preparation read and wrote.
public struct PreparationReport: Sendable {
    public struct Part: Hashable, Sendable {
        public var documents = 0
        /// Of text.
        public var bytes = 0
        /// End-of-text tokens included.
        public var tokens = 0

        public init() {}
    }

    public var reading = DocumentReadingSummary()
    public var train = Part()
    public var validation = Part()
    /// In words, what was done so that both parts have something; nil if the hash alone saw to it.
    public var splitAdjustment: String?
    public var seconds = 0.0

    public init() {}

    public var documents: Int { train.documents + validation.documents }
    public var bytes: Int { train.bytes + validation.bytes }
    public var tokens: Int { train.tokens + validation.tokens }
    public var megabytesPerSecond: Double { seconds > 0 ? Double(bytes) / seconds / 1e6 : 0 }
    public var bytesPerToken: Double { tokens > 0 ? Double(bytes) / Double(tokens) : 0 }

    subscript(side: SplitSide) -> Part {
        get { side == .train ? train : validation }
        set { if side == .train { train = newValue } else { validation = newValue } }
    }
}
