// Started by the tests of Training, alone or as every rank of an mpirun job:
//
//   training-scenarios recomputation DATA TENSOR THREADS
//     Trains in every mode of recomputation and compares weights and gradients bit for bit; prints a checksum of them
//     and the memory that each mode took.
//   training-scenarios allocations DATA TENSOR THREADS [trace]
//     Counts heap allocations and page faults of steps that follow the second; `trace` shows where the first ones are.
//   training-scenarios replicas DATA TENSOR THREADS RANK
//     Flips one bit of one parameter of RANK, and prints what the comparison of the copies says of it.
//
// DATA × TENSOR ranks of THREADS threads each. Rank 0 prints; whatever fails ends the job with exit code 1.

import Collectives
import Foundation
import Numerics
import Parallelism

let arguments = CommandLine.arguments
let numbers = arguments.dropFirst(2).compactMap { Int($0) }
let isKnown = ["recomputation", "allocations", "replicas"].contains(arguments.dropFirst().first)
guard isKnown, numbers.count == (arguments[1] == "replicas" ? 4 : 3), numbers.prefix(3).allSatisfy({ $0 > 0 }) else {
    print("usage: training-scenarios recomputation|allocations|replicas DATA TENSOR THREADS [RANK|trace]")
    exit(64)
}
let world = try ProcessGroup.world()
let place = Place(
    mesh: Mesh(MeshConfiguration(data: numbers[0], tensor: numbers[1]), world: world),
    pool: ThreadPool(threadCount: numbers[2]))
switch arguments[1] {
case "recomputation": compareRecomputations(place)
case "replicas": corruptReplica(place, rank: numbers[3])
default: countAllocations(place, traces: arguments.last == "trace")
}
world.barrier(label: "end of the scenario")
MPIRuntime.finalize()
