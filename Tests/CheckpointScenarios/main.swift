// Started by the tests of Checkpointing as every rank of an mpirun job: checkpoint-scenarios SCENARIO FOLDER STEP
//
//   save           every rank saves a range of rows of a matrix, the last rank a vector too
//   saveOverLimit  the same, but the system lets the last rank write files of a few bytes only
//   read           every rank reads a range of columns of the latest checkpoint and compares it
//
// A failed save is printed by every rank, and ends the job with exit code 1.

import Checkpointing
import Collectives
import Foundation
import Numerics

/// What element `index` of a tensor must be.
func element(_ index: Int, step: Int) -> Float { Float(index) + Float(step) / 1024 }

let matrixShape = [13, 10]
let vectorShape = [7]

/// The range of `count` things that falls to a rank; sizes differ by at most one.
func share(of count: Int, _ communicator: any Communicator) -> Range<Int> {
    count * communicator.rank / communicator.size..<count * (communicator.rank + 1) / communicator.size
}

func save(_ folder: String, step: Int, _ communicator: any Communicator) throws {
    let rows = share(of: matrixShape[0], communicator)
    let matrix = (rows.lowerBound * matrixShape[1]..<rows.upperBound * matrixShape[1]).map { element($0, step: step) }
    let vector = (0..<vectorShape[0]).map { element($0, step: step) }
    try matrix.withUnsafeBufferPointer { matrix in
        try vector.withUnsafeBufferPointer { vector in
            var tensors = [
                CheckpointTensor(
                    name: "model/matrix", shape: matrixShape, slice: [rows, 0..<matrixShape[1]], values: matrix)
            ]
            if communicator.rank == communicator.size - 1 {
                tensors.append(
                    CheckpointTensor(
                        name: "model/vector", shape: vectorShape, slice: [0..<vectorShape[0]], values: vector))
            }
            try CheckpointWriter.save(
                folder: CheckpointFolder(folder), step: step, tensors: tensors,
                state: CheckpointState(nextSample: step * 16, tokensSeen: step * 1024, job: "name: scenario\n"),
                communicator: communicator)
        }
    }
}

func read(_ folder: String, step: Int, _ communicator: any Communicator) throws {
    let reader = try CheckpointReader(folder)
    let columns = share(of: matrixShape[1], communicator)
    var matrix = [Float](repeating: .nan, count: matrixShape[0] * columns.count)
    try reader.read("model/matrix", shape: matrixShape, slice: [0..<matrixShape[0], columns], into: &matrix)
    let expected = (0..<matrixShape[0]).flatMap { row in
        columns.map { element(row * matrixShape[1] + $0, step: step) }
    }
    var vector = [Float](repeating: .nan, count: vectorShape[0])
    try reader.read("model/vector", slice: [0..<vectorShape[0]], into: &vector)
    guard matrix == expected, vector == (0..<vectorShape[0]).map({ element($0, step: step) }) else {
        throw ApusError("reading on rank \(communicator.rank)", "the elements differ from those saved")
    }
}

func limitFileSize() {
    // Ignored, the signal gives way to the error EFBIG.
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit(rlim_cur: 256, rlim_max: rlim_t.max)
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
}

let arguments = CommandLine.arguments
guard arguments.count == 4, let step = Int(arguments[3]) else {
    print("usage: checkpoint-scenarios save|saveOverLimit|read FOLDER STEP")
    exit(64)
}
var status: Int32 = 0
do {
    let world = try ProcessGroup.world()
    switch arguments[1] {
    case "save": try save(arguments[2], step: step, world)
    case "saveOverLimit":
        if world.rank == world.size - 1 { limitFileSize() }
        try save(arguments[2], step: step, world)
    default: try read(arguments[2], step: step, world)
    }
} catch {
    print("failed: \("\(error)".replacing("\n", with: " "))")
    status = 1
}
MPIRuntime.finalize()
exit(status)
