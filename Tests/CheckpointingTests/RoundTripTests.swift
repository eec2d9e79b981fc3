import Checkpointing
import Foundation
import Numerics
import TestSupport
import Testing

/// What one layout writes, any other reads, bit for bit.
@Suite struct RoundTripTests {
    /// Cuts a tensor at random places along random dimensions and deals the pieces to ranks.
    private func randomSlices(
        _ tensor: SampleTensor, pieces: Int, ranks: Int, using generator: inout SplitMix64
    ) -> [OwnedSlice] {
        var boxes = [tensor.whole]
        for _ in 1..<max(pieces, 1) {
            let box = boxes.remove(at: Int.random(in: boxes.indices, using: &generator))
            let cuttable = box.indices.filter { box[$0].count > 1 }
            guard let axis = cuttable.randomElement(using: &generator) else {
                boxes.append(box)
                continue
            }
            let place = Int.random(in: box[axis].lowerBound + 1..<box[axis].upperBound, using: &generator)
            var (low, high) = (box, box)
            low[axis] = box[axis].lowerBound..<place
            high[axis] = place..<box[axis].upperBound
            boxes += [low, high]
        }
        return boxes.map { box in
            OwnedSlice(tensor: tensor, slice: box, rank: Int.random(in: 0..<ranks, using: &generator))
        }
    }

    @Test(arguments: [1, 2, 3, 5])
    func randomSlicingsReadAsAnyOther(ranks: Int) throws {
        var generator = SplitMix64(seed: UInt64(ranks))
        let tensors = [
            SampleTensor("vector", [97], salt: 1), SampleTensor("matrix", [33, 20], salt: 2),
            SampleTensor("cube", [5, 6, 7], salt: 3), SampleTensor("scalar", [], salt: 4),
            SampleTensor("nothing", [0, 3], salt: 5),
        ]
        try withTemporaryFolder { root in
            for round in 0..<8 {
                let folder = CheckpointFolder(root.appendingPathComponent("\(round)").path)
                let slices = tensors.flatMap { tensor in
                    let pieces = Int.random(in: 1...8, using: &generator)
                    return randomSlices(tensor, pieces: pieces, ranks: ranks, using: &generator)
                }
                for result in save(slices, ranks: ranks, in: folder, step: round) { _ = try result.get() }
                let reader = try CheckpointReader(folder.path)
                #expect(reader.verify() == [])
                for tensor in tensors {
                    #expect(reader.manifest.tensors[tensor.name]?.shape == tensor.shape)
                    let others = randomSlices(tensor, pieces: 5, ranks: 1, using: &generator).map(\.slice)
                    for slice in others + [tensor.whole] {
                        #expect(try readBits(reader, tensor.name, slice) == tensor.bits(slice))
                    }
                }
            }
        }
    }

    /// Chunks of several hash blocks, read in parts that begin and end anywhere in a block.
    @Test func largeChunksAreReadInBlocks() throws {
        let tensor = SampleTensor("large", [700, 1000])
        try withTemporaryFolder { root in
            let fileSystem = FaultyFileSystem()
            let folder = CheckpointFolder(root.path, fileSystem: fileSystem)
            let slices = [
                OwnedSlice(tensor: tensor, slice: [0..<100, 0..<1000], rank: 1),
                OwnedSlice(tensor: tensor, slice: [100..<700, 0..<1000], rank: 0),
            ]
            for result in save(slices, ranks: 2, in: folder, step: 1) { _ = try result.get() }
            let reader = try CheckpointReader(root.path, fileSystem: fileSystem)
            #expect(reader.manifest.tensors["large"]?.chunks.map(\.hashes.count) == [3, 1])
            for slice in [[0..<700, 0..<1000], [98..<400, 0..<1000], [650..<651, 3..<4], [0..<700, 990..<1000]] {
                #expect(try readBits(reader, "large", slice) == tensor.bits(slice))
            }
            #expect(reader.verify() == [])
        }
    }

    /// A part of a chunk costs the blocks it lies in, not the chunk.
    @Test func readsOnlyTheBlocksItNeeds() throws {
        let tensor = SampleTensor("large", [4, 1 << 18])
        try withTemporaryFolder { root in
            let slices = [OwnedSlice(tensor: tensor, slice: tensor.whole, rank: 0)]
            for result in save(slices, ranks: 1, in: CheckpointFolder(root.path), step: 1) { _ = try result.get() }
            // Each row is a block of one mebibyte. Damage in the last one does not concern a reader of the second.
            let path = root.appendingPathComponent("step-000001/rank-00000.safetensors").path
            let handle = try #require(FileHandle(forUpdatingAtPath: path))
            try handle.seek(toOffset: try handle.seekToEnd() - 1)
            try handle.write(contentsOf: [0x55])
            try handle.close()
            let reader = try CheckpointReader(root.path)
            let row: [Range<Int>] = [1..<2, 0..<1 << 18]
            #expect(try readBits(reader, "large", row) == tensor.bits(row))
            #expect(message { _ = try readBits(reader, "large", tensor.whole) }?.contains("damaged") == true)
        }
    }

    @Test func stateComesBackAsItWas() throws {
        try withTemporaryFolder { root in
            var state = sampleState
            state.extra["schedule"] = .object([
                "name": .string("cosine ☀"), "values": .array([.number(1e-300), .integer(-1)]),
            ])
            // The largest number that a manifest may hold.
            state.nextSample = 1 << 60
            let results = save(
                smallCheckpoint(), ranks: 2, in: CheckpointFolder(root.path), step: 123_456_789, state: state)
            #expect(try results[0].get().entry.path == root.appendingPathComponent("step-123456789").path)
            #expect(try results[1].get().bytes == 4 * (48 + 48 + 7 + 1))
            let manifest = try CheckpointReader(root.path).manifest
            #expect(manifest.state == state)
            #expect(manifest.step == 123_456_789)
            #expect(manifest.ranks == 2)
        }
    }

    /// The file of a run on one rank is an ordinary safetensors file under the logical names.
    @Test func wholeTensorsKeepTheirNames() throws {
        try withTemporaryFolder { root in
            let tensor = SampleTensor("model/w", [3, 5])
            let slices = [OwnedSlice(tensor: tensor, slice: tensor.whole, rank: 0)]
            for result in save(slices, ranks: 1, in: CheckpointFolder(root.path), step: 1) { _ = try result.get() }
            let file = try SafetensorsFile(root.appendingPathComponent("step-000001/rank-00000.safetensors").path)
            #expect(try file.readFloats("model/w").map(\.bitPattern) == tensor.bits(tensor.whole))
        }
    }

    /// The same weights give the same files, so that checkpoints can be compared byte by byte.
    @Test func savingTwiceGivesTheSameBytes() throws {
        try withTemporaryFolder { root in
            let names = ["a", "b"].map { root.appendingPathComponent($0) }
            for name in names {
                for result in save(smallCheckpoint(), ranks: 2, in: CheckpointFolder(name.path), step: 5) {
                    _ = try result.get()
                }
            }
            for file in ["rank-00000.safetensors", "rank-00001.safetensors", "manifest.json"] {
                let contents = try names.map { try Data(contentsOf: $0.appendingPathComponent("step-000005/\(file)")) }
                #expect(contents[0] == contents[1])
            }
        }
    }
}
