import Checkpointing
import Foundation
import TestSupport
import Testing

/// Any bytes are a checkpoint's files or are refused in order.
@Suite struct FuzzTests {
    private static let words = [
        "\"shape\":", "\"dtype\":", "\"data_offsets\":", "\"__metadata__\":", "\"F32\"", "\"BF16\"", "\"I64\"",
        "\"../x\"",
        "\"/etc/passwd\"", "\".\"", "\"..\"", "\"chunks\":", "\"hashes\":", "\"extra\":", "null", "true", "{", "}", "[",
        "]",
        ",", "\\u0000", "\\ud800",
    ]

    @Test func anyBytesAreASafetensorsFileOrRefused() throws {
        let header =
            #"{"__metadata__":{"by":"me"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
            + #""b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"I16","shape":[0,9],"data_offsets":[26,26]}}"#
        let sample =
            withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
            + [UInt8](repeating: 7, count: 26)
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("x.safetensors").path
            let taken = try fuzz("safetensors", samples: [sample], words: Self.words) {
                try replaceFile(path, $0)
                let file = try SafetensorsFile(path)
                for name in file.names {
                    if try file.tensor(name).type.isConvertibleToFloat { _ = try file.readFloats(name) }
                    if try file.tensor(name).type.isInteger { _ = try file.readIntegers(name) }
                    _ = try file.readBytes(name)
                }
            }
            #expect(taken > 0)
        }
    }

    /// Half of the inputs get the hash that they should have: whoever edits a manifest can compute one.
    @Test func anyBytesAreAManifestOrRefused() throws {
        try withTemporaryFolder { root in
            for result in save(smallCheckpoint(), ranks: 2, in: CheckpointFolder(root.path), step: 1) {
                _ = try result.get()
            }
            let folder = root.appendingPathComponent("step-000001")
            let path = folder.appendingPathComponent(CheckpointManifest.fileName).path
            let original = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
            let trailer = Array(#","manifestHash":""#.utf8)
            // Without the hash, which is put back below.
            let body = Array(original.dropLast(trailer.count + 16 + 3))
            var count = 0
            let taken = try fuzz("manifest", samples: [body], words: Self.words) { input in
                count += 1
                let hash = input.withUnsafeBytes { XXH64.hexadecimal($0) }
                let isHashed = count % 8 != 0 || count == 1
                let bytes = isHashed ? input + trailer + Array(hash.utf8) + Array("\"}\n".utf8) : input
                try replaceFile(path, bytes)
                let reader = try CheckpointReader(folder.path)
                for file in reader.manifest.files.keys {
                    let place = URL(fileURLWithPath: "\(folder.path)/\(file)").standardized
                    #expect(place.deletingLastPathComponent().path == folder.path)
                }
                _ = reader.verify()
                _ = (CheckpointSummary(reader).totalBytes, reader.manifest.tensorBytes)
                for (name, tensor) in reader.manifest.tensors where tensor.shape.reduce(1, *) < 1 << 16 {
                    _ = try? readBits(reader, name, tensor.shape.map { 0..<$0 })
                }
            }
            #expect(taken > 0)
        }
    }

    @Test func anyBytesNameTheLatestCheckpointOrAreRefused() throws {
        try withTemporaryFolder { root in
            for result in save(smallCheckpoint(), ranks: 2, in: CheckpointFolder(root.path), step: 1) {
                _ = try result.get()
            }
            let path = root.appendingPathComponent("latest").path
            try fuzz("latest", samples: [Array("step-000001\n".utf8)], words: ["step-", "../", "/", "000"]) {
                try replaceFile(path, $0)
                _ = try CheckpointFolder(root.path).latest()
            }
        }
    }
}
