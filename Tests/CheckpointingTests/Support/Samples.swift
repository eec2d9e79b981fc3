import Checkpointing
import Collectives
import Foundation
import Numerics

/// A tensor whose every element is known: any 32 bits, NaNs among them, made from the salt and the element's index.
struct SampleTensor {
    let name: String
    let shape: [Int]
    let salt: UInt64

    init(_ name: String, _ shape: [Int], salt: UInt64 = 0) {
        self.name = name
        self.shape = shape
        self.salt = salt
    }

    var whole: [Range<Int>] { shape.map { 0..<$0 } }

    /// The bits of the elements of a slice, row-major, element by element.
    func bits(_ slice: [Range<Int>]) -> [UInt32] {
        var indices = [0]
        for (range, dimension) in zip(slice, shape) {
            indices = indices.flatMap { index in range.map { index * dimension + $0 } }
        }
        return indices.map { index in
            var generator = SplitMix64(seed: salt &* 1_000_003 &+ UInt64(index))
            return UInt32(truncatingIfNeeded: generator.next())
        }
    }

    func values(_ slice: [Range<Int>]) -> [Float] { bits(slice).map(Float.init(bitPattern:)) }
}

/// A slice of a sample tensor, owned by one rank.
struct OwnedSlice {
    let tensor: SampleTensor
    let slice: [Range<Int>]
    let rank: Int
}

let sampleState = CheckpointState(
    nextSample: 1_600, tokensSeen: 409_600, job: "name: sample\nmodel:\n  layers: 2\n",
    extra: ["lossScale": .number(0.1), "seed": .integer(9_007_199_254_740_993), "notes": .array([.null, .bool(true)])])

/// Saves slices as a group of threads; returns what each rank got.
@discardableResult
func save(
    _ slices: [OwnedSlice], ranks: Int, in folder: CheckpointFolder, step: Int, state: CheckpointState = sampleState
) -> [Result<CheckpointWriter.Saved, any Error>] {
    ThreadGroup.run(ranks: ranks) { communicator in
        let owned = slices.filter { $0.rank == communicator.rank }
        let values = owned.map { slice in
            let floats = slice.tensor.values(slice.slice)
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: floats.count)
            _ = buffer.initialize(from: floats)
            return buffer
        }
        defer { for buffer in values { buffer.deallocate() } }
        let tensors = zip(owned, values).map { slice, buffer in
            CheckpointTensor(
                name: slice.tensor.name, shape: slice.tensor.shape, slice: slice.slice,
                values: UnsafeBufferPointer(buffer))
        }
        return try CheckpointWriter.save(
            folder: folder, step: step, tensors: tensors, state: state, communicator: communicator)
    }
}

/// A checkpoint by two ranks: a matrix cut by rows, another by columns, a vector and a scalar.
func smallCheckpoint(salt: UInt64 = 0) -> [OwnedSlice] {
    let rows = SampleTensor("model/up.weight", [8, 6], salt: salt &* 4)
    let columns = SampleTensor("model/down.weight", [6, 8], salt: salt &* 4 &+ 1)
    let vector = SampleTensor("model/norm.weight", [7], salt: salt &* 4 &+ 2)
    let scalar = SampleTensor("optimizer/count", [], salt: salt &* 4 &+ 3)
    return [
        OwnedSlice(tensor: rows, slice: [0..<4, 0..<6], rank: 0),
        OwnedSlice(tensor: rows, slice: [4..<8, 0..<6], rank: 1),
        OwnedSlice(tensor: columns, slice: [0..<6, 0..<3], rank: 0),
        OwnedSlice(tensor: columns, slice: [0..<6, 3..<8], rank: 1),
        OwnedSlice(tensor: vector, slice: [0..<7], rank: 1),
        OwnedSlice(tensor: scalar, slice: [], rank: 0),
    ]
}

/// The bits that a reader finds in a slice.
func readBits(_ reader: CheckpointReader, _ name: String, _ slice: [Range<Int>]) throws -> [UInt32] {
    let count = slice.reduce(1) { $0 * $1.count }
    let buffer = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
    defer { buffer.deallocate() }
    buffer.initialize(repeating: 0, count: max(count, 1))
    try reader.read(name, slice: slice, into: buffer)
    return (0..<count).map { buffer[$0].bitPattern }
}

/// Whether every element of a checkpoint is what its sample tensors say.
func isIntact(_ path: String, _ slices: [OwnedSlice]) throws -> Bool {
    let reader = try CheckpointReader(path)
    guard reader.verify().isEmpty else { return false }
    return try slices.allSatisfy { try readBits(reader, $0.tensor.name, $0.slice) == $0.tensor.bits($0.slice) }
}

/// The text of the error that `body` throws; nil where it throws none.
func message(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch { return "\(error)" }
}

/// The text of the error that a rank ended with; nil where it succeeded.
func message<Value>(_ result: Result<Value, any Error>) -> String? {
    message { _ = try result.get() }
}
