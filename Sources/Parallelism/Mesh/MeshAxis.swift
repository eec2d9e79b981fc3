/// A way to cut a job, the outermost first: ranks that differ only on the last axis are neighbours, and share a host.
public enum MeshAxis: String, CaseIterable, Hashable, Sendable {
    /// Replicas of the model, each with its own part of the batch.
    case data
    /// Stages: consecutive blocks of the model.
    case pipeline
    /// Parts of every sequence.
    case context
    /// Parts of the experts of every block, each with its own part of the batch.
    case expert
    /// Parts of every layer's weights.
    case tensor
}
