import Checkpointing
import Collectives
import Foundation
import Numerics
import TestSupport
import Testing

/// Tensors in bfloat16, and conversion between precisions.
@Suite struct PrecisionTests {
    private static let shape = [3000, 500]
    private static let count = 1_500_000

    private func number(_ index: Int) -> Float { Float(sin(Double(index))) * 3 }

    /// Saves one tensor in both precisions.
    private func withCheckpoint(_ body: (CheckpointReader) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: Self.count)
            let bits = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: Self.count)
            defer {
                floats.deallocate()
                bits.deallocate()
            }
            for index in 0..<Self.count {
                floats[index] = number(index)
                bits[index] = BFloat16.round(number(index))
            }
            let slice = Self.shape.map { 0..<$0 }
            try CheckpointWriter.save(
                folder: CheckpointFolder(folder.path), step: 1,
                tensors: [
                    CheckpointTensor(name: "single", shape: Self.shape, slice: slice, values: .float32(floats)),
                    CheckpointTensor(name: "half", shape: Self.shape, slice: slice, values: .bfloat16(bits)),
                ], state: sampleState, communicator: SingleProcessCommunicator())
            try body(try CheckpointReader(folder.path))
        }
    }

    @Test func manifestAndFileTellThePrecision() throws {
        try withCheckpoint { reader in
            #expect(reader.manifest.tensors["single"]?.dtype == .float32)
            #expect(reader.manifest.tensors["half"]?.dtype == .bfloat16)
            #expect(reader.manifest.tensorBytes == 6 * Self.count)
            #expect(reader.verify() == [])
            let file = try SafetensorsFile("\(reader.path)/rank-00000.safetensors")
            #expect(try file.tensor("half").type == .bfloat16)
        }
    }

    /// Slices that begin and end in the middle of what is read at once.
    @Test(arguments: [
        [0..<3000, 0..<500], [1..<2999, 0..<500], [7..<2500, 3..<497], [5..<6, 499..<500], [4..<4, 0..<500],
    ])
    func everyPrecisionIsReadIntoEveryOther(slice: [Range<Int>]) throws {
        try withCheckpoint { reader in
            let wanted = slice[0].flatMap { row in slice[1].map { number(row * 500 + $0) } }
            for name in ["single", "half"] {
                let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: wanted.count)
                let bits = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: wanted.count)
                defer {
                    floats.deallocate()
                    bits.deallocate()
                }
                try reader.read(name, slice: slice, into: .float32(floats))
                try reader.read(name, slice: slice, into: .bfloat16(bits))
                let rounded = wanted.map(BFloat16.round)
                #expect(bits.elementsEqual(rounded))
                #expect(floats.elementsEqual(name == "half" ? rounded.map(BFloat16.widen) : wanted))
            }
        }
    }
}
