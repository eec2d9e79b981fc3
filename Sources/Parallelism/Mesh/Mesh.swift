import Collectives

/// The ranks of a job arranged along the axes of parallelism, with a communicator for each axis.
///
/// The tensor axis varies fastest, so that ranks that exchange something in every layer are neighbours and share a
/// host: with data 2 × tensor 2, ranks 0 and 1 share the layers of replica 0, ranks 2 and 3 those of replica 1.
public struct Mesh {
    public let configuration: MeshConfiguration
    public let world: any Communicator
    /// For each axis the ranks that differ from this one on it alone.
    private let axes: [any Communicator]
    /// The ranks that have the same parameters as this one where no experts are involved, and so add up their
    /// gradients: those on the data, context and expert axes.
    public let replicas: any Communicator
    /// Which of the `batchParts` of the global batch is this rank's.
    public let batchPart: Int

    /// Collective over `world`, whose size must be the product of the axes.
    public init(_ configuration: MeshConfiguration, world: any Communicator) {
        precondition(configuration.size == world.size, "the mesh has \(configuration.size) ranks, not \(world.size)")
        self.configuration = configuration
        self.world = world
        let coordinates = configuration.coordinates(of: world.rank)
        func group(_ along: Set<MeshAxis>) -> any Communicator {
            guard along.contains(where: { configuration[$0] > 1 }) else { return SingleProcessCommunicator() }
            // Ranks of one group are told apart by the axes that it runs along, and have all others in common.
            let (common, own) = (
                MeshAxis.allCases.map { along.contains($0) ? 0 : coordinates[$0.index] },
                MeshAxis.allCases.map { along.contains($0) ? coordinates[$0.index] : 0 }
            )
            return world.split(color: configuration.rank(at: common), key: configuration.rank(at: own))
        }
        axes = MeshAxis.allCases.map { group([$0]) }
        let cutsReplicas = configuration.context > 1 || configuration.expert > 1
        replicas = cutsReplicas ? group([.data, .context, .expert]) : axes[MeshAxis.data.index]
        batchPart = coordinates[MeshAxis.data.index] * configuration.expert + coordinates[MeshAxis.expert.index]
    }

    /// The rank in `world` of a rank of `replicas`.
    public func worldRank(ofReplica replica: Int) -> Int {
        var (coordinates, rest) = (configuration.coordinates(of: world.rank), replica)
        for axis in [MeshAxis.expert, .context, .data] {
            coordinates[axis.index] = rest % configuration[axis]
            rest /= configuration[axis]
        }
        return configuration.rank(at: coordinates)
    }

    public subscript(axis: MeshAxis) -> any Communicator { axes[axis.index] }

    /// Ranks that hold the same part of the model and see different samples.
    public var data: any Communicator { self[.data] }
    /// Ranks that hold the parts of every layer of one replica.
    public var tensor: any Communicator { self[.tensor] }
}
