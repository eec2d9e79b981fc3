/// How many ways each axis of parallelism cuts the job; their product is the number of ranks.
public struct MeshConfiguration: Hashable, Sendable, CustomStringConvertible {
    /// Replicas of the model, each with its own part of the batch.
    public var data: Int
    /// Ranks that share every layer's weights.
    public var tensor: Int

    public init(data: Int = 1, tensor: Int = 1) {
        self.data = data
        self.tensor = tensor
    }

    public var size: Int { data * tensor }

    public var description: String { "data \(data) × tensor \(tensor)" }
}
