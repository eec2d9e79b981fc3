// Started by the tests of Training, alone or as every rank of an mpirun job:
//
//   training-scenarios recomputation DATA TENSOR THREADS
//     Trains in every mode of recomputation and compares weights and gradients bit for bit; prints a checksum of them
//     and the memory that each mode took.
//   training-scenarios allocations DATA TENSOR THREADS [trace]
//     Counts heap allocations and page faults of steps that follow the second; `trace` shows where the first ones are.
//   training-scenarios pipeline STAGES THREADS [trace]
//     Counts them for every schedule of a pipeline.
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
let counts = ["recomputation": 3, "allocations": 3, "pipeline": 2, "replicas": 4]
guard let count = arguments.dropFirst().first.flatMap({ counts[$0] }), numbers.count == count,
    numbers.prefix(3).allSatisfy({ $0 > 0 })
else {
    print("usage: training-scenarios recomputation|allocations|replicas DATA TENSOR THREADS [RANK|trace]")
    print("       training-scenarios pipeline STAGES THREADS [trace]")
    exit(64)
}
let isPipeline = arguments[1] == "pipeline"
let world = try ProcessGroup.world()
let place = Place(
    mesh: Mesh(
        isPipeline ? MeshConfiguration(pipeline: numbers[0]) : MeshConfiguration(data: numbers[0], tensor: numbers[1]),
        world: world),
    pool: ThreadPool(threadCount: isPipeline ? numbers[1] : numbers[2]))
switch arguments[1] {
case "recomputation": compareRecomputations(place)
case "pipeline": countPipelineAllocations(place, traces: arguments.last == "trace")
case "replicas": corruptReplica(place, rank: numbers[3])
default: countAllocations(place, traces: arguments.last == "trace")
}
world.barrier(label: "end of the scenario")
MPIRuntime.finalize()
