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
//   training-scenarios memory DATA TENSOR THREADS
//     Prints the bytes that activations took on the rank where they took most.
//
// DATA × TENSOR ranks of THREADS threads each, times N with an argument context=N (heads to exchange heads instead of
// passing keys and values round); sequence shares out tokens too. Rank 0 prints; whatever fails ends the job with exit
// code 1.

import Collectives
import Foundation
import Numerics
import Parallelism

let arguments = CommandLine.arguments
let numbers = arguments.dropFirst(2).compactMap { Int($0) }
let counts = ["recomputation": 3, "allocations": 3, "memory": 3, "pipeline": 2, "replicas": 4]
guard let count = arguments.dropFirst().first.flatMap({ counts[$0] }), numbers.count == count,
    numbers.prefix(3).allSatisfy({ $0 > 0 })
else {
    print(
        "usage: training-scenarios recomputation|allocations|replicas|memory DATA TENSOR THREADS [RANK|trace] "
            + "[context=N] [heads] [sequence]")
    print("       training-scenarios pipeline STAGES THREADS [trace]")
    exit(64)
}
let isPipeline = arguments[1] == "pipeline"
let world = try ProcessGroup.world()
let context = arguments.compactMap { $0.hasPrefix("context=") ? Int($0.dropFirst(8)) : nil }.first ?? 1
var place = Place(
    mesh: Mesh(
        isPipeline
            ? MeshConfiguration(pipeline: numbers[0])
            : MeshConfiguration(data: numbers[0], context: context, tensor: numbers[1]),
        world: world),
    pool: ThreadPool(threadCount: isPipeline ? numbers[1] : numbers[2]))
place.activations.sequence = arguments.contains("sequence")
place.activations.contextAttention = arguments.contains("heads") ? .heads : .ring
switch arguments[1] {
case "recomputation": compareRecomputations(place)
case "pipeline": countPipelineAllocations(place, traces: arguments.last == "trace")
case "replicas": corruptReplica(place, rank: numbers[3])
case "memory": measureMemory(place)
default: countAllocations(place, traces: arguments.contains("trace"))
}
world.barrier(label: "end of the scenario")
MPIRuntime.finalize()
