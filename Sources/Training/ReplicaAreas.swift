import Collectives
import Optimization
import Parallelism

/// What a data-parallel rank's memory is used for: gradients of its own, and, once for all replicas of a host, the
/// parameters, both moments, and the partial sums of the gradient's norm.
struct ReplicaAreas {
    let whole: ReplicaMemory
    let moments: UnsafeMutableRawBufferPointer
    let partialSums: UnsafeMutableBufferPointer<Double>

    /// Collective over `communicator`.
    init(_ layout: FlatLayout, moments precision: MomentPrecision, tiles: Int, on communicator: any Communicator) {
        let valueBytes = layout.count * MemoryLayout<Float>.stride
        let momentBytes = AdamW.momentBytes(count: layout.count, precision)
        let sumBytes = tiles * MemoryLayout<Double>.stride
        whole = communicator.allocateReplicaMemory(
            partCount: layout.count, commonBytes: valueBytes + momentBytes + sumBytes, label: "parameters and gradients"
        )
        let afterValues = whole.common[valueBytes...]
        moments = UnsafeMutableRawBufferPointer(rebasing: afterValues.prefix(momentBytes))
        partialSums = UnsafeMutableRawBufferPointer(rebasing: afterValues.dropFirst(momentBytes))
            .bindMemory(to: Double.self)
    }
}
