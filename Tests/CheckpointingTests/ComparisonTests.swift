import Checkpointing
import Collectives
import Foundation
import TestSupport
import Testing

@Suite struct ComparisonTests {
    /// Saves vectors as a checkpoint of one rank and opens it.
    private func checkpoint(
        _ root: URL, _ name: String, _ tensors: [String: [Float]], state: CheckpointState = sampleState, step: Int = 1
    ) throws -> CheckpointReader {
        let parts = tensors.map { name, values in
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
            _ = buffer.initialize(from: values)
            return CheckpointTensor(
                name: name, shape: [values.count], slice: [0..<values.count], values: .float32(buffer))
        }
        defer { for part in parts { part.values.bytes.deallocate() } }
        let folder = CheckpointFolder("\(root.path)/\(name)")
        let saved = try CheckpointWriter.save(
            folder: folder, step: step, tensors: parts, state: state, communicator: SingleProcessCommunicator())
        return try CheckpointReader(saved.entry.path)
    }

    @Test func everyKindOfDifferenceIsTold() throws {
        try withTemporaryFolder { root in
            let first = try checkpoint(
                root, "a",
                ["same": [1, .nan], "moved": [1, 2, 3], "gone": [1], "longer": [1, 2], "nan": [0], "zero": [0]])
            var state = sampleState
            state.nextSample += 8
            state.job = "name: sample\nmodel:\n  layers: 3\n"
            state.extra["seed"] = nil
            let second = try checkpoint(
                root, "b",
                ["same": [1, .nan], "moved": [1, 2.5, 2], "new": [1], "longer": [1], "nan": [.nan], "zero": [-0.0]],
                state: state, step: 2)
            let comparison = try CheckpointComparison(first, second)
            #expect(!comparison.isEqual)
            let outcomes = Dictionary(uniqueKeysWithValues: comparison.tensors.map { ($0.name, $0.outcome) })
            #expect(outcomes["same"] == .equal)
            #expect(outcomes["moved"] == .values(count: 2, largest: 1))
            #expect(outcomes["gone"] == .missingInSecond)
            #expect(outcomes["new"] == .missingInFirst)
            #expect(outcomes["longer"] == .shapes([2], [1]))
            #expect(outcomes["zero"] == .values(count: 1, largest: 0))
            guard case .values(1, let largest) = outcomes["nan"] else { throw CancellationError() }
            #expect(largest.isNaN)
            #expect(
                comparison.state == [
                    "step: 1 against 2", "next sample: 1,600 against 1,608",
                    "seed: 9007199254740993 against none", "job, first:    layers: 2", "job, second:   layers: 3",
                ])
            let text = comparison.text()
            #expect(text.contains("moved   2 elements differ, by up to 1"), "\(text)")
            #expect(text.hasSuffix("different: 6 of 7 tensors, and the state"), "\(text)")
            let tensorsOnly = try CheckpointComparison(first, second, tensorsOnly: true)
            #expect(tensorsOnly.text().hasSuffix("different: 6 of 7 tensors"))
        }
    }

    @Test func equalOnesAreEqual() throws {
        try withTemporaryFolder { root in
            let values = ["model/w": (0..<3_000_000).map { Float($0) }]
            let first = try checkpoint(root, "a", values)
            let second = try checkpoint(root, "b", values)
            let comparison = try CheckpointComparison(first, second)
            #expect(comparison.isEqual)
            #expect(comparison.text() == "model/w  equal\n\nequal: 1 tensor and the state")
            var changed = values
            changed["model/w"]?[2_999_999] += 1
            let third = try checkpoint(root, "c", changed)
            #expect(try CheckpointComparison(first, third).tensors[0].outcome == .values(count: 1, largest: 1))
        }
    }
}
