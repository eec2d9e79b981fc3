import Checkpointing
import Foundation
import Numerics
import TestSupport
import Testing

/// Damage is found and named, never read as if it were a checkpoint.
@Suite struct DamageTests {
    private let slices = smallCheckpoint()
    private let files = ["manifest.json", "rank-00000.safetensors", "rank-00001.safetensors"]

    private func withCheckpoint(_ body: (URL) throws -> Void) throws {
        try withTemporaryFolder { root in
            for result in save(slices, ranks: 2, in: CheckpointFolder(root.path), step: 1) { _ = try result.get() }
            try body(root.appendingPathComponent("step-000001"))
        }
    }

    /// What opening, or else reading every slice, or else verifying complains about.
    private func complaints(_ path: String) -> (reading: String, verifying: String) {
        do {
            let reader = try CheckpointReader(path)
            let reading = slices.compactMap { slice in
                message { _ = try readBits(reader, slice.tensor.name, slice.slice) }
            }
            return (reading.joined(separator: "\n"), reader.verify().map(\.description).joined(separator: "\n"))
        } catch { return ("\(error)", "\(error)") }
    }

    @Test func everyFlippedByteIsFound() throws {
        try withCheckpoint { folder in
            var generator = SplitMix64(seed: 3)
            for file in files {
                let url = folder.appendingPathComponent(file)
                let original = try Data(contentsOf: url)
                for _ in 0..<100 {
                    var bytes = original
                    let place = Int.random(in: bytes.indices, using: &generator)
                    bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                    try bytes.write(to: url)
                    let (reading, verifying) = complaints(folder.path)
                    #expect(reading.contains(file) && verifying.contains(file), "byte \(place) of \(file): \(reading)")
                }
                try original.write(to: url)
            }
            #expect(complaints(folder.path) == ("", ""))
        }
    }

    @Test func damageIsNamedByTensorFileAndPlace() throws {
        try withCheckpoint { folder in
            let url = folder.appendingPathComponent("rank-00001.safetensors")
            let chunk = try #require(
                try CheckpointReader(folder.path).manifest.tensors["model/down.weight"]?.chunks.last)
            var bytes = try Data(contentsOf: url)
            bytes[chunk.start + 5] ^= 4
            try bytes.write(to: url)
            let reader = try CheckpointReader(folder.path)
            let error = message { _ = try readBits(reader, "model/down.weight", [2..<3, 4..<5]) }
            #expect(
                error?.contains(
                    "reading tensor model/down.weight of \(folder.path): bytes \(chunk.start)..<\(chunk.end) of "
                        + "\(url.path) are damaged: expected hash \(chunk.hashes[0])") == true, "\(error ?? "no error")"
            )
            // What lies elsewhere can still be read.
            #expect(try readBits(reader, "model/down.weight", [0..<6, 0..<3]).count == 18)
            #expect(reader.verify().count == 1)
        }
    }

    @Test func truncatedAndMissingFilesAreNamed() throws {
        for file in files {
            try withCheckpoint { folder in
                let url = folder.appendingPathComponent(file)
                let original = try Data(contentsOf: url)
                for count in [0, 7, original.count / 2, original.count - 1] {
                    try original[..<count].write(to: url)
                    let (reading, verifying) = complaints(folder.path)
                    #expect(reading.contains(file) && verifying.contains(file))
                }
                try (original + [0]).write(to: url)
                #expect(complaints(folder.path).reading.contains(file))
                try FileManager.default.removeItem(at: url)
                #expect(complaints(folder.path).reading.contains(file == "manifest.json" ? folder.path : file))
                #expect(complaints(folder.path).verifying.contains("No such file") || file == "manifest.json")
                try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
                #expect(complaints(folder.path).reading.contains("\(file) is a folder"))
            }
        }
    }

    @Test func missingFilesNameEveryTensorTheyHeld() throws {
        try withCheckpoint { folder in
            try FileManager.default.removeItem(at: folder.appendingPathComponent("rank-00001.safetensors"))
            let damage = try CheckpointReader(folder.path).verify().map(\.description).joined(separator: "\n")
            for name in ["model/up.weight", "model/down.weight", "model/norm.weight"] { #expect(damage.contains(name)) }
            #expect(!damage.contains("optimizer/count"))
        }
    }

    /// Writes a changed manifest with a hash that fits, as someone would who means harm.
    private func forge(_ folder: URL, _ change: (inout CheckpointManifest) -> Void) throws -> String? {
        var manifest = try CheckpointReader(folder.path).manifest
        change(&manifest)
        let url = folder.appendingPathComponent("manifest.json")
        let original = try Data(contentsOf: url)
        defer { try? original.write(to: url) }
        try Data(manifest.encoded()).write(to: url)
        return message { _ = try CheckpointReader(folder.path) }
    }

    @Test func forgedManifestsAreRefused() throws {
        try withCheckpoint { folder in
            let name = "model/up.weight"
            #expect(try forge(folder) { _ in } == nil)
            for path in ["../secret", "/etc/passwd", "a/b", "..", ".hidden", "", "a\0b"] {
                let error = try forge(folder) { manifest in
                    manifest.files[path] = manifest.files["rank-00000.safetensors"]
                    manifest.tensors[name]?.chunks[0].file = path
                }
                #expect(error?.contains("could lead out of the checkpoint's folder") == true, "\(path)")
            }
            let changes: [(expected: String, change: (inout CheckpointManifest) -> Void)] = [
                ("version 1 of the format, found 2", { $0.version = 2 }), ("found \"md5\"", { $0.hash = "md5" }),
                ("hashBlockBytes", { $0.hashBlockBytes = 0 }), ("hashBlockBytes", { $0.hashBlockBytes = 1 << 62 }),
                // Products and sums of these would not be numbers.
                ("at most 2⁶⁰", { $0.state.nextSample = .max }), ("at most 2⁶⁰", { $0.state.tokensSeen = .max }),
                ("cannot have", { $0.files["rank-00000.safetensors"]?.bytes = .max }),
                ("not negative", { $0.step = -1 }), ("not negative", { $0.state.nextSample = -1 }),
                ("impossible shape", { $0.tensors[name]?.shape = [-8, 6] }),
                ("impossible shape", { $0.tensors[name]?.shape = [1 << 40, 1 << 40] }),
                ("impossible shape", { $0.tensors[name]?.shape = Array(repeating: 1, count: 40) }),
                ("do not lie inside", { $0.tensors[name]?.shape = [48] }),
                ("exactly one chunk", { $0.tensors[name]?.shape = [9, 6] }),
                ("exactly one chunk", { _ = $0.tensors[name]?.chunks.popLast() }),
                ("do not lie inside", { $0.tensors[name]?.chunks[0].offsets = [-1, 0] }),
                ("do not lie inside", { $0.tensors[name]?.chunks[0].offsets = [.max, 0] }),
                ("do not lie inside", { $0.tensors[name]?.chunks[0].shape = [.max, .max] }),
                ("is not listed", { $0.tensors[name]?.chunks[0].file = "rank-00009.safetensors" }),
                ("do not lie in the data", { $0.tensors[name]?.chunks[0].start = 0 }),
                ("do not lie in the data", { $0.tensors[name]?.chunks[0].end = .max }),
                ("expected 96 bytes", { $0.tensors[name]?.chunks[0].end -= 4 }),
                ("expected 192 bytes", { $0.tensors[name]?.dtype = .float64 }),
                ("expected 1 hashes", { $0.tensors[name]?.chunks[0].hashes = [] }),
                ("cannot have", { $0.files["rank-00000.safetensors"]?.headerBytes = -1 }),
                ("cannot have", { $0.files["rank-00000.safetensors"]?.bytes = 3 }),
            ]
            for (expected, change) in changes {
                let error = try forge(folder, change)
                #expect(error?.contains(expected) == true, "\(expected): \(error ?? "accepted")")
            }
            #expect(complaints(folder.path) == ("", ""))
        }
    }

    @Test func symbolicLinksAreNotFollowed() throws {
        try withCheckpoint { folder in
            let url = folder.appendingPathComponent("rank-00001.safetensors")
            let elsewhere = folder.deletingLastPathComponent().appendingPathComponent("elsewhere")
            try FileManager.default.moveItem(at: url, to: elsewhere)
            try FileManager.default.createSymbolicLink(at: url, withDestinationURL: elsewhere)
            #expect(complaints(folder.path).reading.contains("may not be symbolic links"))
        }
    }

    /// Manifests with random changes and a hash that fits: opened or refused, but never a crash.
    @Test func mutatedManifestsNeverCrash() throws {
        try withCheckpoint { folder in
            var generator = SplitMix64(seed: 4)
            let url = folder.appendingPathComponent("manifest.json")
            let trailer = #","manifestHash":""#
            let body = Array(try Data(contentsOf: url)).dropLast(trailer.utf8.count + 19)
            let replacements = Array(#"0123456789-.,:"[]{}e\"#.utf8)
            for _ in 0..<1000 {
                var bytes = Array(body)
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    let place = Int.random(in: bytes.indices, using: &generator)
                    switch Int.random(in: 0..<3, using: &generator) {
                    case 0: bytes[place] = replacements.randomElement(using: &generator)!
                    case 1: bytes.remove(at: place)
                    default: bytes.insert(replacements.randomElement(using: &generator)!, at: place)
                    }
                }
                let hash = bytes.withUnsafeBytes { XXH64.hexadecimal($0) }
                try Data(bytes + Array("\(trailer)\(hash)\"}\n".utf8)).write(to: url)
                _ = complaints(folder.path)
            }
        }
    }

    @Test func wrongRequestsAreExplained() throws {
        try withCheckpoint { folder in
            let reader = try CheckpointReader(folder.path)
            var room: [Float] = Array(repeating: 0, count: 64)
            #expect(
                message { try reader.read("model/none", slice: [], into: &room) }?.contains("there is no such tensor")
                    == true)
            #expect(
                message { try reader.read("model/up.weight", shape: [8, 7], slice: [0..<8, 0..<6], into: &room) }?
                    .contains("reading tensor model/up.weight of \(folder.path): expected shape [8, 7], found [8, 6]")
                    == true)
            for slice in [[0..<9, 0..<6], [-1..<3, 0..<6], [0..<8]] {
                #expect(
                    message { try reader.read("model/up.weight", slice: slice, into: &room) }?
                        .contains("expected a slice inside the shape [8, 6]") == true)
            }
            let shapes = ["model/up.weight": [8, 6], "model/down.weight": [6, 9], "model/extra": [1]]
            let error = message { try reader.requireTensors(shapes, prefix: "model/") } ?? ""
            #expect(error.contains("model/down.weight: expected shape [6, 9], found [6, 8]"))
            #expect(error.contains("model/extra: expected shape [1], found no such tensor"))
            #expect(error.contains("model/norm.weight: the model has no such tensor"))
            let right = ["model/up.weight": [8, 6], "model/down.weight": [6, 8], "model/norm.weight": [7]]
            #expect(message { try reader.requireTensors(right, prefix: "model/") } == nil)
        }
    }
}
