/// Where a training run stands, beside the numbers in its tensors.
public struct CheckpointState: Codable, Hashable, Sendable {
    /// The global index of the first sample that no step has used yet: the whole position of the data loader.
    public var nextSample: Int
    /// Tokens trained on so far, over all ranks.
    public var tokensSeen: Int
    /// The resolved job document, YAML.
    public var job: String
    /// Anything else that a part of the run must find again, by a key of its own.
    public var extra: [String: JSONValue]

    public init(nextSample: Int, tokensSeen: Int, job: String, extra: [String: JSONValue] = [:]) {
        self.nextSample = nextSample
        self.tokensSeen = tokensSeen
        self.job = job
        self.extra = extra
    }
}
