import Collectives

/// The ranks of a job arranged along the axes of parallelism, with a communicator for each axis.
///
/// The tensor axis varies fastest, so that ranks that exchange something in every layer are neighbours and share a
/// host: with 2 × 2, ranks 0 and 1 share the layers of replica 0, ranks 2 and 3 those of replica 1.
public struct Mesh {
    public let configuration: MeshConfiguration
    public let world: any Communicator
    /// Ranks that hold the same part of the model and see different samples.
    public let data: any Communicator
    /// Ranks that hold the parts of one replica.
    public let tensor: any Communicator

    /// Collective over `world`, whose size must be the product of the axes.
    public init(_ configuration: MeshConfiguration, world: any Communicator) {
        precondition(configuration.size == world.size, "the mesh has \(configuration.size) ranks, not \(world.size)")
        self.configuration = configuration
        self.world = world
        let (dataIndex, tensorIndex) = (world.rank / configuration.tensor, world.rank % configuration.tensor)
        tensor = world.split(color: dataIndex, key: tensorIndex)
        data = world.split(color: tensorIndex, key: dataIndex)
    }
}
