import Checkpointing
import Foundation
import Numerics

/// Compares the losses and the last checkpoints of two runs, bit for bit.
struct RunComparison {
    let undisturbed: String
    let disturbed: String
    let steps: Int

    /// What differs first; nil where nothing does.
    func difference() throws -> String? {
        try lossDifference() ?? weightDifference()
    }

    private struct Step: Decodable {
        var kind: String
        var step: Int?
        var loss: Double?
    }

    private func losses(_ folder: String) throws -> [Int: Double] {
        let path = folder + "/metrics.jsonl"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw ApusError("comparing the runs", "\(path) cannot be read", kind: .runtime)
        }
        let decoder = JSONDecoder()
        let events = text.split(separator: "\n").compactMap { try? decoder.decode(Step.self, from: Data($0.utf8)) }
        return events.filter { $0.kind == "step" }.reduce(into: [:]) { losses, event in
            if let step = event.step { losses[step] = event.loss }
        }
    }

    private func lossDifference() throws -> String? {
        let (expected, found) = (try losses(undisturbed), try losses(disturbed))
        for step in 1...steps where expected[step] != found[step] {
            func text(_ loss: Double?) -> String { loss.map { "\($0)" } ?? "missing" }
            return "the loss of step \(step) is \(text(found[step])), undisturbed \(text(expected[step]))"
        }
        return nil
    }

    private func weightDifference() throws -> String? {
        let expected = try CheckpointReader("\(undisturbed)/checkpoints")
        let found = try CheckpointReader("\(disturbed)/checkpoints")
        guard found.manifest.step == expected.manifest.step else {
            return "the last checkpoint is of step \(found.manifest.step), undisturbed of \(expected.manifest.step)"
        }
        guard Set(found.manifest.tensors.keys) == Set(expected.manifest.tensors.keys) else {
            return "the last checkpoints hold different tensors"
        }
        for (name, tensor) in expected.manifest.tensors.sorted(by: { $0.key < $1.key }) {
            let first = try values(name, tensor.shape, expected)
            let second = try values(name, tensor.shape, found)
            let pairs = zip(first, second)
            if let index = Array(pairs).firstIndex(where: { $0.bitPattern != $1.bitPattern }) {
                return "element \(index) of \(name) is \(second[index]), undisturbed \(first[index])"
            }
        }
        return nil
    }

    private func values(_ name: String, _ shape: [Int], _ reader: CheckpointReader) throws -> [Float] {
        var values = [Float](repeating: 0, count: shape.reduce(1, *))
        try values.withUnsafeMutableBufferPointer {
            try reader.read(name, shape: shape, slice: shape.map { 0..<$0 }, into: $0.baseAddress!)
        }
        return values
    }
}
