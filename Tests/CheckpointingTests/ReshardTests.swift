import Checkpointing
import Foundation
import TestSupport
import Testing

@Suite struct ReshardTests {
    private let slices = smallCheckpoint(salt: 3)

    private func withCheckpoint(_ body: (URL, CheckpointReader) throws -> Void) throws {
        try withTemporaryFolder { root in
            for result in save(slices, ranks: 2, in: CheckpointFolder("\(root.path)/source"), step: 7) {
                _ = try result.get()
            }
            try body(root, try CheckpointReader("\(root.path)/source"))
        }
    }

    @Test(arguments: [1, 2, 3, 5, 8, 40]) func contentIsEqualForAnyNumberOfFiles(ranks: Int) throws {
        try withCheckpoint { root, reader in
            let path = "\(root.path)/step-000007"
            let files = try CheckpointReshard(ranks: ranks).write(reader, to: path)
            #expect(files.count == min(ranks, 8))
            let resharded = try CheckpointReader(path)
            let comparison = try CheckpointComparison(reader, resharded)
            #expect(comparison.isEqual, "\(comparison.text())")
            #expect(resharded.manifest.ranks == ranks)
            #expect(resharded.manifest.files.keys.sorted() == files)
            let isWhole = try isIntact(path, slices)
            #expect(isWhole)
            // Cut evenly: parts differ by one row or column at most.
            for tensor in resharded.manifest.tensors.values where !tensor.shape.isEmpty {
                let counts = tensor.chunks.map { $0.shape.reduce(1, *) }
                let row = tensor.shape.reduce(1, *) / tensor.shape.max()!
                #expect(counts.max()! - counts.min()! <= max(row, 8))
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: root.path).sorted() == ["source", "step-000007"])
        }
    }

    @Test func aFileOfOneRankIsAnOrdinarySafetensorsFile() throws {
        try withCheckpoint { root, reader in
            let path = "\(root.path)/whole"
            try CheckpointReshard(ranks: 1).write(reader, to: path)
            let file = try SafetensorsFile("\(path)/rank-00000.safetensors")
            #expect(file.names == reader.manifest.tensors.keys.sorted())
        }
    }

    @Test func whateverFailsNothingIsLeftBehind() throws {
        try withCheckpoint { root, reader in
            let counting = FaultyFileSystem()
            _ = try CheckpointReshard(ranks: 2).write(reader, to: "\(root.path)/counted", fileSystem: counting)
            try FileManager.default.removeItem(atPath: "\(root.path)/counted")
            for call in counting.calls.indices {
                let fileSystem = FaultyFileSystem(.failure(atCall: call, code: ENOSPC))
                let failure = message {
                    _ = try CheckpointReshard(ranks: 2).write(reader, to: "\(root.path)/new", fileSystem: fileSystem)
                }
                let names = try FileManager.default.contentsOfDirectory(atPath: root.path).sorted()
                if failure == nil || names.contains("new") {
                    // Looks that may fail, and what follows the rename.
                    #expect(try CheckpointReader("\(root.path)/new").verify().isEmpty, "call \(call)")
                    try FileManager.default.removeItem(atPath: "\(root.path)/new")
                } else {
                    #expect(names == ["source"], "call \(call): \(failure ?? "")")
                }
            }
        }
    }

    @Test func damageIsNotCopied() throws {
        try withCheckpoint { root, reader in
            let file = root.appendingPathComponent("source/step-000007/rank-00001.safetensors")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: file)
            let failure = message { try CheckpointReshard(ranks: 3).write(reader, to: "\(root.path)/new") }
            #expect(failure?.contains("are damaged: expected hash") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: root.path) == ["source"])
        }
    }

    @Test func impossibleRanksAndDestinationsAreRefused() throws {
        try withCheckpoint { root, reader in
            for ranks in [0, -1, 65_537] {
                let failure = message { _ = try CheckpointReshard(ranks: ranks) } ?? ""
                #expect(failure.contains("expected from 1 to 65536 ranks"))
            }
            for path in [root.path, "/", "", "\(root.path)/source/latest"] {
                let failure = message { try CheckpointReshard(ranks: 2).write(reader, to: path) } ?? ""
                #expect(failure.contains("there is such a folder or file already"), "\(path)")
            }
        }
    }
}
