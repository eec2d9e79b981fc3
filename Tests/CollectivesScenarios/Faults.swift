import Collectives
import Foundation

/// Rank 0 makes another call than the others.
func callDifferentCollectives() throws {
    let world = try ProcessGroup.world()
    var values = [Float](repeating: 1, count: 8)
    values.withUnsafeMutableBufferPointer { buffer in
        if world.rank == 0 {
            world.allReduce(buffer, .sum, label: "gradients")
        } else {
            world.broadcast(UnsafeMutableRawBufferPointer(buffer), from: 0, label: "weights")
        }
    }
}

/// Rank 0 passes a longer buffer than the others.
func passDifferentSizes() throws {
    let world = try ProcessGroup.world()
    var values = [Float](repeating: 1, count: world.rank == 0 ? 100_000 : 90_000)
    values.withUnsafeMutableBufferPointer { world.allReduce($0, .sum, label: "gradients") }
}

/// The last rank gives up while the others wait for it.
func abortOnLastRank() throws {
    let world = try ProcessGroup.world()
    if world.rank == world.size - 1 { MPIRuntime.abort(code: 7) }
    world.barrier(label: "never")
}

/// One line a rank: what it is part of.
func describeWorld() throws {
    let world = try ProcessGroup.world()
    let pairs = world.split(color: world.rank / 2, key: world.rank)
    print("rank \(world.rank) of \(world.size): \(type(of: world)), pairs: \(type(of: pairs)) of \(pairs.size)")
}
