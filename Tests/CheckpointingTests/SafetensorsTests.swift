import Checkpointing
import Foundation
import Numerics
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    /// A file of this header and so many bytes 0, 1, 2, … of data.
    private func file(_ header: String, dataBytes: Int, length: UInt64? = nil) -> [UInt8] {
        let length = length ?? UInt64(header.utf8.count)
        return withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array(header.utf8)
            + (0..<dataBytes).map { UInt8(truncatingIfNeeded: $0) }
    }

    private func open(_ bytes: [UInt8], in folder: URL) throws -> SafetensorsFile {
        let url = folder.appendingPathComponent("\(UUID().uuidString).safetensors")
        try Data(bytes).write(to: url)
        return try SafetensorsFile(url.path)
    }

    private func write(_ tensors: [(String, [Int], [Float])], to path: String) throws {
        let buffers = tensors.map { tensor in
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.2.count)
            _ = buffer.initialize(from: tensor.2)
            return buffer
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        try SafetensorsWriter.write(
            path, zip(tensors, buffers).map { .init(name: $0.0, shape: $0.1, values: UnsafeBufferPointer($1)) },
            metadata: ["made by": "a \"test\""])
    }

    @Test func writesWhatItReads() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("x.safetensors").path
            let matrix = SampleTensor("a/matrix", [300, 1000]).values([0..<300, 0..<1000])
            try write(
                [("z", [3], [1, 2, .nan]), ("a/matrix", [300, 1000], matrix), ("empty", [0, 4], [])], to: path)
            let file = try SafetensorsFile(path)
            #expect(file.names == ["a/matrix", "empty", "z"])
            #expect(file.header.metadata == ["made by": "a \"test\""])
            #expect(try file.readFloats("a/matrix").map(\.bitPattern) == matrix.map(\.bitPattern))
            #expect(try file.readFloats("empty") == [])
            #expect(try file.readFloats("z")[..<2] == [1, 2])
            #expect(try file.tensor("a/matrix").shape == [300, 1000])
        }
    }

    @Test func laysFilesOutAsTheFormatSays() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("x.safetensors").path
            let values: [Float] = [1, -2]
            try values.withUnsafeBufferPointer {
                try SafetensorsWriter.write(path, [.init(name: "w", shape: [2], values: $0)])
            }
            let header = #"{"w":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}}"#
            let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
            let data: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]
            #expect(Array(try Data(contentsOf: URL(fileURLWithPath: path))) == file(padded, dataBytes: 0) + data)
        }
    }

    @Test func neverOverwritesAFile() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("x.safetensors").path
            try write([("w", [1], [1])], to: path)
            let error = message { try write([("w", [1], [2])], to: path) }
            #expect(error?.contains("File exists") == true)
            #expect(try SafetensorsFile(path).readFloats("w") == [1])
        }
    }

    @Test func readsFloatsOfEveryWidth() throws {
        try withTemporaryFolder { folder in
            let header =
                #"{"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"BF16","shape":[3],"#
                + #""data_offsets":[6,12]},"d":{"dtype":"F64","shape":[1],"data_offsets":[12,20]}}"#
            var bytes = file(header, dataBytes: 0)
            for half in [1.5, -65504, 5.960464477539063e-08] as [Float16] {
                bytes += withUnsafeBytes(of: half.bitPattern.littleEndian) { Array($0) }
            }
            for bits in [0x3FC0, 0xC2C8, 0x0001] as [UInt16] {
                bytes += withUnsafeBytes(of: bits.littleEndian) { Array($0) }
            }
            bytes += withUnsafeBytes(of: (0.1).bitPattern.littleEndian) { Array($0) }
            let file = try open(bytes, in: folder)
            #expect(try file.readFloats("h") == [1.5, -65504, 5.960464477539063e-08])
            #expect(try file.readFloats("b") == [1.5, -100, Float(bitPattern: 0x0001_0000)])
            #expect(try file.readFloats("d") == [0.1])
        }
    }

    @Test func readsIntegersOfEveryWidth() throws {
        try withTemporaryFolder { folder in
            let header =
                #"{"i8":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"u16":{"dtype":"U16","shape":[1],"#
                + #""data_offsets":[2,4]},"i32":{"dtype":"I32","shape":[1],"data_offsets":[4,8]},"#
                + #""i64":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}"#
            let data: [UInt8] = [0xFF, 0x7F, 0xFE, 0xFF, 0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0x40]
            let file = try open(file(header, dataBytes: 0) + data, in: folder)
            #expect(try file.readIntegers("i8") == [-1, 127])
            #expect(try file.readIntegers("u16") == [65_534])
            #expect(try file.readIntegers("i32") == [Int64(Int32.min)])
            #expect(try file.readIntegers("i64") == [(1 << 62) + 1])
            #expect(
                message { _ = try file.readFloats("i8") }?.contains("expected floats in tensor i8, found I8") == true)
            #expect(message { _ = try file.readIntegers("nope") }?.contains("no tensor nope") == true)
            #expect(try file.readBytes("u16") == [0xFE, 0xFF])
        }
    }

    @Test(
        arguments: [
            (
                #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
                "tensor w of type F32 and shape [2] needs 8 bytes"
            ),
            (#"{"w":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}"#, 8, "unknown type \"F99\""),
            (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7, "ends at byte 8 of the data; found 7"),
            (
                #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9,
                "the tensors end at byte 8 of the data; found 9"
            ),
            (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "tensor w at bytes 4..<12 leaves a hole"),
            (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "no rising pair"),
            (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, 8, "no rising pair"),
            (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, 8, "no rising pair"),
            (#"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, "impossible shape"),
            (
                #"{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, 0, "impossible shape"
            ),
            (#"{"w":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, 0, "impossible shape"),
            (#"{"w":{"dtype":"F32","shape":[2]}}"#, 8, "at w: \"data_offsets\" is missing"),
            (#"{"w":{"dtype":"F32","shape":[1e300],"data_offsets":[0,8]}}"#, 8, "no valid safetensors JSON"),
            (#"{"w":[]}"#, 0, "no valid safetensors JSON"), ("[]", 0, "no valid safetensors JSON"),
            ("{\"w\"", 0, "no valid safetensors JSON"), ("", 0, "no valid safetensors JSON"),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}"#,
                7, "tensor b at bytes 3..<7 overlaps"
            ),
        ] as [(String, Int, String)])
    func refusesMalformedHeaders(header: String, dataBytes: Int, expected: String) throws {
        try withTemporaryFolder { folder in
            let error = message { _ = try open(file(header, dataBytes: dataBytes), in: folder) }
            #expect(error?.contains(expected) == true, "\(error ?? "no error")")
            #expect(error?.contains(folder.path) == true)
        }
    }

    @Test func refusesHeaderLengthsBeforeAllocating() throws {
        try withTemporaryFolder { folder in
            for length in [3, 1 << 40, UInt64.max, UInt64(Int.max) + 1] {
                let error = message { _ = try open(file("{}", dataBytes: 0, length: length), in: folder) }
                #expect(error?.contains("the header claims \(length) bytes; expected at most 2") == true)
            }
            #expect(message { _ = try open([1, 2, 3], in: folder) }?.contains("found 3 bytes") == true)
        }
    }

    @Test func refusesWhatIsNoFile() throws {
        try withTemporaryFolder { folder in
            #expect(message { _ = try SafetensorsFile(folder.path) }?.contains("is a folder") == true)
            let missing = folder.appendingPathComponent("none").path
            #expect(message { _ = try SafetensorsFile(missing) }?.contains("No such file") == true)
            let pipe = folder.appendingPathComponent("pipe").path
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(message { _ = try SafetensorsFile(pipe) }?.contains("no regular file") == true)
        }
    }

    /// Whatever is in a header, opening ends with a file that can be read in full or with an error.
    @Test func survivesMutatedHeaders() throws {
        try withTemporaryFolder { folder in
            var generator = SplitMix64(seed: 2)
            let header =
                #"{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":"#
                + #"{"dtype":"I64","shape":[2],"data_offsets":[24,40]}}"#
            let original = file(header, dataBytes: 40)
            for _ in 0..<1000 {
                var bytes = original
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    bytes[Int.random(in: 0..<8 + header.utf8.count, using: &generator)] =
                        Array(#"0123456789-.,:"[]{}eF"#.utf8).randomElement(using: &generator)!
                }
                guard let file = try? open(bytes, in: folder) else { continue }
                for name in file.names {
                    let count = try file.readBytes(name).count
                    #expect(count <= 40)
                }
            }
        }
    }
}
