import Checkpointing
import Foundation
import Numerics
import TestSupport
import Testing

/// Whatever fails while a checkpoint is saved, and whenever, `latest` names an intact one.
@Suite struct AtomicityTests {
    private let old = smallCheckpoint(salt: 1)
    private let new = smallCheckpoint(salt: 2)

    /// A folder that holds the old checkpoint as step 50, saved without faults.
    private func withOldCheckpoint(_ body: (URL) throws -> Void) throws {
        try withTemporaryFolder { root in
            let folder = CheckpointFolder(root.path, fileSystem: FaultyFileSystem())
            for result in save(old, ranks: 2, in: folder, step: 50) { _ = try result.get() }
            try body(root)
        }
    }

    /// What `latest` names must be one of the two, whole.
    private func expectLatestIsIntact(_ root: URL, newStep: Int, _ context: String) throws {
        let latest = try #require(try CheckpointFolder(root.path).latest(), "\(context): latest names nothing")
        let isOld = try isIntact(latest.path, old)
        let isNew = try isIntact(latest.path, new)
        #expect(isOld || isNew, "\(context): \(latest.path) is damaged")
        #expect(latest.step == 50 || latest.step == newStep && isNew, "\(context)")
    }

    /// How many system calls a save makes without faults.
    private func callCount(newStep: Int) throws -> Int {
        var count = 0
        try withOldCheckpoint { root in
            let fileSystem = FaultyFileSystem()
            for result in saveNew(root, fileSystem, step: newStep) { _ = try result.get() }
            count = fileSystem.calls.count
        }
        return count
    }

    private func saveNew(
        _ root: URL, _ fileSystem: FaultyFileSystem, step: Int
    ) -> [Result<CheckpointWriter.Saved, any Error>] {
        let retention = CheckpointFolder.Retention(keepLast: 1)
        return save(
            new, ranks: 2, in: CheckpointFolder(root.path, retention: retention, fileSystem: fileSystem), step: step)
    }

    /// Step 50 is the one that is there already: its replacement must be as safe as a new step.
    @Test(arguments: [100, 50])
    func crashAtEveryCall(newStep: Int) throws {
        let count = try callCount(newStep: newStep)
        #expect(count > 30)
        for call in 0..<count + 2 {
            try withOldCheckpoint { root in
                let fileSystem = FaultyFileSystem(.crash(atCall: call))
                let results = saveNew(root, fileSystem, step: newStep)
                let context = "crash at call \(call): \(fileSystem.calls.last.map { "\($0)" } ?? "none")"
                try expectLatestIsIntact(root, newStep: newStep, context)
                // The next run clears up and saves as if nothing had happened.
                let folder = CheckpointFolder(
                    root.path, retention: .init(keepLast: 1), fileSystem: FaultyFileSystem())
                try folder.removeTemporaries()
                try expectLatestIsIntact(root, newStep: newStep, context)
                let names = try FileManager.default.contentsOfDirectory(atPath: root.path)
                #expect(names.allSatisfy { !$0.hasPrefix(".") }, "\(context): \(names)")
                for result in save(new, ranks: 2, in: folder, step: newStep) { _ = try result.get() }
                #expect(try isIntact(root.path, new), "\(context)")
                if call >= count { #expect(results.allSatisfy { message($0) == nil }) }
            }
        }
    }

    @Test(arguments: [100, 50], [ENOSPC, EROFS])
    func failureAtEveryCall(newStep: Int, code: Int32) throws {
        for call in 0..<(try callCount(newStep: newStep)) {
            try withOldCheckpoint { root in
                let fileSystem = FaultyFileSystem(.failure(atCall: call, code: code))
                let results = saveNew(root, fileSystem, step: newStep)
                let context = "failure at call \(call): \(fileSystem.calls)"
                try expectLatestIsIntact(root, newStep: newStep, context)
                // All ranks report the same outcome.
                let outcomes = Set(results.map { message($0) })
                #expect(outcomes.count == 1, "\(context)")
                let partial = root.appendingPathComponent(".step-\(newStep == 50 ? "000050" : "000100").partial").path
                #expect(!FileManager.default.fileExists(atPath: partial), "\(context)")
            }
        }
    }

    @Test func fullDiskIsNamedOnEveryRank() throws {
        try withOldCheckpoint { root in
            let fault = FaultyFileSystem.Fault.matching(
                call: "write", pathEnding: "rank-00001.safetensors", code: ENOSPC)
            let results = saveNew(root, FaultyFileSystem(fault), step: 100)
            for result in results {
                guard case .failure(let error as ApusError) = result else {
                    Issue.record("expected an ApusError, got \(result)")
                    continue
                }
                #expect(error.problem.hasPrefix("rank 1 could not write"))
                #expect(error.problem.contains("rank-00001.safetensors"))
                #expect(error.problem.contains("No space left on device"))
                #expect(error.remedy?.contains("free space") == true)
                #expect(error.kind == .runtime)
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: root.path).sorted() == ["latest", "step-000050"])
            let oldIsIntact = try isIntact(root.path, old)
            #expect(oldIsIntact)
        }
    }

    @Test func aFolderThatCannotBeMadeIsNamed() throws {
        try withTemporaryFolder { root in
            let file = root.appendingPathComponent("file").path
            try Data().write(to: URL(fileURLWithPath: file))
            let results = save(new, ranks: 2, in: CheckpointFolder("\(file)/checkpoints"), step: 1)
            let messages = results.map { message($0) ?? "" }
            #expect(messages[0] == messages[1])
            #expect(messages[0].contains("rank 0 could not create folder \(file)/checkpoints: Not a directory"))
        }
    }

    /// The order that makes the above true when power is lost, and not only the process.
    @Test func everythingIsOnTheDeviceBeforeItIsNamed() throws {
        try withOldCheckpoint { root in
            let fileSystem = FaultyFileSystem()
            for result in saveNew(root, fileSystem, step: 100) { _ = try result.get() }
            let calls = fileSystem.calls
            func position(_ name: String, _ path: String) throws -> Int {
                try #require(calls.lastIndex(of: .init(name: name, path: "\(root.path)\(path)")), "\(name) \(path)")
            }
            let named = try position("rename", "/.step-000100.partial")
            for file in ["rank-00000.safetensors", "rank-00001.safetensors", "manifest.json"] {
                let written = try position("write", "/.step-000100.partial/\(file)")
                let flushed = try position("synchronize", "/.step-000100.partial/\(file)")
                #expect(written < flushed && flushed < named)
            }
            #expect(try position("synchronize", "/.step-000100.partial") < named)
            let pointed = try position("rename", "/.latest.partial")
            #expect(try position("synchronize", "/.latest.partial") < pointed)
            let folderFlushes = calls.indices.filter { calls[$0] == .init(name: "synchronize", path: root.path) }
            #expect(folderFlushes.contains { $0 > named && $0 < pointed })
            let pruned = try position("rename", "/step-000050")
            #expect(folderFlushes.contains { $0 > pointed && $0 < pruned })
        }
    }

    @Test func slicesThatDoNotMakeAWholeAreRefused() throws {
        try withOldCheckpoint { root in
            let tensor = SampleTensor("model/w", [4, 4])
            let cases: [(slices: [[Range<Int>]], expected: String)] = [
                ([[0..<4, 0..<2], [0..<3, 2..<4]], "found 14 elements in 2 chunks"),
                ([[0..<4, 0..<2], [0..<4, 1..<4]], "found 20 elements in 2 chunks"),
                ([[0..<4, 0..<2], [0..<4, 1..<3]], "some of which overlap"),
                ([[0..<4, 0..<5]], "does not lie inside the shape [4, 4]"), ([[0..<4]], "does not lie inside"),
                ([[0..<0, 0..<4]], "found 0 elements in 0 chunks"),
            ]
            for (slices, expected) in cases {
                let owned = slices.enumerated().map { OwnedSlice(tensor: tensor, slice: $1, rank: $0) }
                for result in save(owned, ranks: 2, in: CheckpointFolder(root.path), step: 100) {
                    let error = message(result)
                    #expect(
                        error?.contains("tensor model/w") == true && error?.contains(expected) == true, "\(error ?? "")"
                    )
                }
            }
            let other = SampleTensor("model/w", [2, 4])
            let mixed = [
                OwnedSlice(tensor: tensor, slice: [0..<4, 0..<4], rank: 0),
                OwnedSlice(tensor: other, slice: [0..<2, 0..<4], rank: 1),
            ]
            for result in save(mixed, ranks: 2, in: CheckpointFolder(root.path), step: 100) {
                let error = message(result)
                #expect(
                    error?.contains("the whole shape [4, 4] of F32 on one rank and [2, 4] of F32 on rank 1") == true)
            }
            let oldIsIntact = try isIntact(root.path, old)
            #expect(oldIsIntact)
        }
    }

    @Test func stateThatJSONCannotHoldIsRefused() throws {
        try withOldCheckpoint { root in
            var state = sampleState
            state.extra["loss"] = .number(.nan)
            let results = save(new, ranks: 2, in: CheckpointFolder(root.path), step: 100, state: state)
            #expect(results.allSatisfy { message($0)?.contains("as JSON") == true })
            let oldIsIntact = try isIntact(root.path, old)
            #expect(oldIsIntact)
        }
    }
}
