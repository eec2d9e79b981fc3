import Checkpointing
import Foundation
import TestSupport
import Testing

@Suite struct CheckpointFolderTests {
    private func saveSteps(_ steps: [Int], in folder: CheckpointFolder) throws {
        for step in steps {
            for result in save(smallCheckpoint(salt: UInt64(step)), ranks: 2, in: folder, step: step) {
                #expect(try result.get().warnings == [])
            }
        }
    }

    private func steps(_ folder: CheckpointFolder) throws -> [Int] { try folder.entries().map(\.step) }

    @Test func names() throws {
        #expect(CheckpointFolder.name(step: 100) == "step-000100")
        #expect(CheckpointFolder.name(step: 12_345_678) == "step-12345678")
        try withTemporaryFolder { root in
            for name in [
                "step-000007", "step-1000000", "step-7", "step-00000x", "step--00001", ".step-000009.partial", "x",
            ] {
                let url = root.appendingPathComponent(name)
                try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
            }
            let folder = CheckpointFolder(root.path)
            #expect(try steps(folder) == [7, 1_000_000])
            #expect(try folder.latest()?.step == 1_000_000)
        }
    }

    @Test func anAbsentFolderHasNoCheckpoints() throws {
        let folder = CheckpointFolder("/nonexistent/checkpoints")
        #expect(try folder.entries() == [])
        #expect(try folder.latest() == nil)
        #expect(try folder.removeTemporaries() == [])
        #expect(try folder.newestIntact().intact == nil)
        #expect(message { _ = try CheckpointReader("/nonexistent/checkpoints") }?.contains("No such file") == true)
        try withTemporaryFolder { root in
            #expect(
                message { _ = try CheckpointReader(root.path) }?.contains("there is neither a manifest.json") == true)
        }
    }

    @Test func keepsTheLastAndThoseAtMultiples() throws {
        try withTemporaryFolder { root in
            let folder = CheckpointFolder(root.path, retention: .init(keepLast: 2, keepEvery: 30))
            try saveSteps([10, 20, 30, 40, 50, 60, 70, 80], in: folder)
            #expect(try steps(folder) == [30, 60, 70, 80])
            #expect(try folder.latest()?.step == 80)
        }
        try withTemporaryFolder { root in
            // At least the one that `latest` names always stays.
            let folder = CheckpointFolder(root.path, retention: .init(keepLast: 0))
            try saveSteps([1, 2, 3], in: folder)
            #expect(try steps(folder) == [3])
        }
    }

    /// A run taken back to step 20 does not lose the checkpoints of the future it left, nor `latest`.
    @Test func pruningLeavesALaterBranchAlone() throws {
        try withTemporaryFolder { root in
            try saveSteps([10, 20, 30, 40], in: CheckpointFolder(root.path, retention: .init(keepLast: 9)))
            let folder = CheckpointFolder(root.path, retention: .init(keepLast: 2))
            try saveSteps([25], in: folder)
            #expect(try folder.latest()?.step == 25)
            #expect(try steps(folder) == [20, 25, 30, 40])
            try saveSteps([28], in: folder)
            #expect(try steps(folder) == [25, 28, 30, 40])
        }
    }

    @Test func anOldCheckpointThatCannotBeRemovedIsAWarning() throws {
        try withTemporaryFolder { root in
            try saveSteps([1, 2], in: CheckpointFolder(root.path))
            let fault = FaultyFileSystem.Fault.matching(call: "rename", pathEnding: "/step-000001", code: EACCES)
            let folder = CheckpointFolder(root.path, fileSystem: FaultyFileSystem(fault))
            for result in save(smallCheckpoint(), ranks: 2, in: folder, step: 3) {
                let warnings = try result.get().warnings
                #expect(warnings.count == 1 && warnings[0].contains("step-000001"))
            }
            #expect(try folder.latest()?.step == 3)
        }
    }

    @Test func aDamagedLatestIsExplained() throws {
        try withTemporaryFolder { root in
            let folder = CheckpointFolder(root.path)
            try saveSteps([1, 2], in: folder)
            let latest = root.appendingPathComponent("latest")
            #expect(try String(contentsOf: latest, encoding: .utf8) == "step-000002\n")
            for (text, expected) in [
                ("step-000009", "names step-000009, which is not in"), ("../step-000001", "should hold a name such as"),
                ("", "should hold a name such as"),
                (String(repeating: "x", count: 9_999), "should hold a name such as"),
            ] {
                try Data(text.utf8).write(to: latest)
                let error = message { _ = try folder.latest() }
                #expect(error?.contains(expected) == true && error?.contains(latest.path) == true)
                #expect(try folder.newestIntact().intact?.step == 2)
            }
            try FileManager.default.removeItem(at: latest)
            #expect(try folder.latest()?.step == 2)
        }
    }

    @Test func fallsBackToTheNewestIntact() throws {
        try withTemporaryFolder { root in
            let folder = CheckpointFolder(root.path, retention: .init(keepLast: 9))
            try saveSteps([1, 2, 3, 4], in: folder)
            #expect(try folder.newestIntact().intact?.step == 4)
            let file = root.appendingPathComponent("step-000004/rank-00000.safetensors")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count - 1] ^= 1
            try bytes.write(to: file)
            try FileManager.default.removeItem(at: root.appendingPathComponent("step-000003/manifest.json"))
            let found = try folder.newestIntact()
            #expect(found.intact?.step == 2)
            #expect(found.damaged.map(\.entry.step) == [4, 3])
            #expect(found.damaged.allSatisfy { !$0.damage.isEmpty })
        }
    }

    @Test func opensStepsFoldersAndRuns() throws {
        try withTemporaryFolder { run in
            try saveSteps([1, 2], in: CheckpointFolder("\(run.path)/checkpoints"))
            #expect(try CheckpointReader(run.path).manifest.step == 2)
            #expect(try CheckpointReader("\(run.path)/checkpoints").manifest.step == 2)
            #expect(try CheckpointReader("\(run.path)/checkpoints/step-000001").manifest.step == 1)
            let text = try CheckpointListing(CheckpointFolder.inRun(run.path)).text()
            #expect(text.contains("step-000002") && text.contains("409,600") && text.contains("latest"))
        }
    }

    @Test func summariesShowEverything() throws {
        try withTemporaryFolder { root in
            try saveSteps([1], in: CheckpointFolder(root.path))
            let summary = CheckpointSummary(try CheckpointReader(root.path))
            let text = summary.text()
            for expected in [
                "tokens seen  409,600", "written by   2 ranks", "model/up.weight", "8 × 6", "2 of 4 × 6", "lossScale",
                "rank-00001.safetensors", "  layers: 2", "optimizer/count", "scalar", "2 of 2 shapes",
            ] { #expect(text.contains(expected), "\(expected) in\n\(text)") }
            let json = try JSONDecoder().decode([String: JSONValue].self, from: Data(try summary.json().utf8))
            #expect(json["step"] == .integer(1))
            #expect(json["tokensSeen"] == .integer(409_600))
            #expect(json["job"] == .string(sampleState.job))
            guard case .array(let tensors) = json["tensors"] else { throw CancellationError() }
            #expect(tensors.count == 4)
        }
    }
}
