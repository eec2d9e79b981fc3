import Checkpointing
import Collectives
import Foundation
import Numerics
import TestSupport
import Testing

/// A save in the background holds the state of its step, and fails as a whole.
@Suite struct OngoingSaveTests {
    private let tensor = SampleTensor("model/w", [600, 1000], salt: 7)

    /// The part of a rank of two: half the rows.
    private func rows(_ rank: Int) -> [Range<Int>] { [rank * 300..<(rank + 1) * 300, 0..<1000] }

    private func withValues<Result>(
        _ rank: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Result
    ) rethrows -> Result {
        let floats = tensor.values(rows(rank))
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: floats.count)
        defer { buffer.deallocate() }
        _ = buffer.initialize(from: floats)
        return try body(buffer)
    }

    private func own(_ rank: Int, _ values: UnsafeMutableBufferPointer<Float>) -> CheckpointTensor {
        CheckpointTensor(name: tensor.name, shape: tensor.shape, slice: rows(rank), values: .float32(values))
    }

    /// What the ranks do between two stages in a training run: they tell each other who has ended.
    private func waitForAll(_ save: OngoingSave, _ communicator: any Communicator) {
        while true {
            let votes = communicator.gatherToAll([save.hasEnded ? 1 : 0], label: "vote")
            if votes.allSatisfy({ $0 == [1] }) { return }
            usleep(500)
        }
    }

    /// The originals change as soon as the save has begun; the disk is still waiting then.
    @Test(arguments: [1, 3]) func holdsTheStateOfItsStep(threads: Int) throws {
        try withTemporaryFolder { root in
            let gate = FaultyFileSystem.Gate(pathEnding: "rank-00001.safetensors")
            let fileSystem = FaultyFileSystem(gate: gate)
            let folder = CheckpointFolder("\(root.path)/background", fileSystem: fileSystem)
            let results = ThreadGroup.run(ranks: 2) { communicator in
                try withValues(communicator.rank) { values in
                    let staging = CheckpointStaging()
                    let pool = ThreadPool(threadCount: threads)
                    let save = try OngoingSave(
                        folder: folder, step: 3, state: sampleState, communicator: communicator, keeping: staging
                    ) { try staging.copy([own(communicator.rank, values)], on: pool) }
                    values.update(repeating: -1)
                    #expect(communicator.rank == 0 || !save.hasEnded)
                    #expect(try folder.latest() == nil)
                    if communicator.rank == 1 { gate.open() }
                    waitForAll(save, communicator)
                    let nothing = try save.advance()
                    #expect(nothing == nil)
                    waitForAll(save, communicator)
                    return try #require(try save.advance())
                }
            }
            for result in results { #expect(try result.get().bytes == 600 * 1000 * 4) }
            let atOnce = CheckpointFolder("\(root.path)/atOnce")
            let slices = [0, 1].map { OwnedSlice(tensor: tensor, slice: rows($0), rank: $0) }
            for result in save(slices, ranks: 2, in: atOnce, step: 3) { _ = try result.get() }
            for name in ["manifest.json", "rank-00000.safetensors", "rank-00001.safetensors"] {
                let one = try Data(contentsOf: root.appendingPathComponent("background/step-000003/\(name)"))
                let other = try Data(contentsOf: root.appendingPathComponent("atOnce/step-000003/\(name)"))
                #expect(one == other, "\(name)")
            }
        }
    }

    /// The stage in which the disk fails, and on which file.
    @Test(arguments: [
        ("write", "rank-00001.safetensors", ENOSPC), ("synchronize", "rank-00000.safetensors", EIO),
        ("write", "manifest.json", EDQUOT), ("makeDirectory", ".step-000060.partial", EROFS),
        ("rename", ".step-000060.partial", ENOENT),
    ])
    func failsOnAllRanksAndTheNextOneSucceeds(call: String, file: String, code: Int32) throws {
        try withTemporaryFolder { root in
            let old = smallCheckpoint(salt: 1)
            for result in save(old, ranks: 2, in: CheckpointFolder(root.path), step: 50) { _ = try result.get() }
            let fault = FaultyFileSystem.Fault.matching(call: call, pathEnding: file, code: code)
            let broken = CheckpointFolder(root.path, fileSystem: FaultyFileSystem(fault))
            let results = ThreadGroup.run(ranks: 2) { communicator in
                try withValues(communicator.rank) { values in
                    let staging = CheckpointStaging()
                    let pool = ThreadPool(threadCount: 1)
                    let failure = message {
                        let save = try OngoingSave(
                            folder: broken, step: 60, state: sampleState, communicator: communicator, keeping: staging
                        ) { try staging.copy([own(communicator.rank, values)], on: pool) }
                        waitForAll(save, communicator)
                        guard try save.advance() == nil else { return }
                        waitForAll(save, communicator)
                        _ = try save.advance()
                    }
                    _ = communicator.gatherToAll([], label: "failed")
                    let names = try FileManager.default.contentsOfDirectory(atPath: root.path).sorted()
                    #expect(names == ["latest", "step-000050"])
                    _ = communicator.gatherToAll([], label: "looked")
                    _ = try OngoingSave(
                        folder: CheckpointFolder(root.path), step: 70, state: sampleState, communicator: communicator,
                        keeping: staging
                    ) { try staging.copy([own(communicator.rank, values)], on: pool) }.finish()
                    return failure
                }
            }
            let messages = Set(try results.map { try $0.get() })
            #expect(messages.count == 1)
            let words = (messages.first ?? nil) ?? ""
            #expect(words.contains("saving the checkpoint of step 60: rank "), "\(words)")
            #expect(words.contains(String(cString: strerror(code))), "\(words)")
            let slices = [0, 1].map { OwnedSlice(tensor: tensor, slice: rows($0), rank: $0) }
            let (newIsIntact, oldIsIntact) = (
                try isIntact(root.path, slices), try isIntact("\(root.path)/step-000050", old)
            )
            #expect(newIsIntact && oldIsIntact)
            #expect(try CheckpointFolder(root.path).latest()?.step == 70)
        }
    }

    @Test func stagingCopiesEveryPrecisionAndIsReused() throws {
        let staging = CheckpointStaging()
        let pool = ThreadPool(threadCount: 2)
        var floats = (0..<700_001).map(Float.init)
        var bits = (0..<13).map { UInt16($0 * 999) }
        try floats.withUnsafeMutableBufferPointer { floats in
            try bits.withUnsafeMutableBufferPointer { bits in
                func tensors(_ count: Int) -> [CheckpointTensor] {
                    [
                        .init(
                            name: "a", shape: [count], slice: [0..<count],
                            values: .float32(.init(rebasing: floats[..<count]))),
                        .init(name: "b", shape: [13], slice: [0..<13], values: .bfloat16(bits)),
                        .init(name: "c", shape: [0], slice: [0..<0], values: .bfloat16(.init(rebasing: bits[..<0]))),
                    ]
                }
                for count in [5, 700_001, 3] {
                    let originals = tensors(count)
                    let copies = try staging.copy(originals, on: pool)
                    for (original, copy) in zip(originals, copies) {
                        #expect(copy.name == original.name && copy.slice == original.slice)
                        #expect(copy.values.bytes.elementsEqual(original.values.bytes))
                        #expect(
                            copy.values.bytes.isEmpty
                                || copy.values.bytes.baseAddress != original.values.bytes.baseAddress)
                    }
                }
            }
        }
    }
}
