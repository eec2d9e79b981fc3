import Foundation
import Numerics
import Testing

/// Feeds a parser with damaged and random inputs, the same in every run, and expects that each is taken or refused in
/// order: with an error that `isRefusal` accepts, without a crash, and within seconds.
///
/// The input in hand stands in the file `apus-fuzz-NAME` in the system's temporary folder, which a crash or a hang leaves
/// behind. `APUS_FUZZ_INPUTS` sets how many inputs there are; `APUS_FUZZ_SEED` chooses others.
/// - Parameters:
///   - name: What is fuzzed, in a word.
///   - samples: Valid inputs, from which the others are made.
///   - words: Texts that mean something in the format.
/// - Returns: How many inputs were taken.
@discardableResult
public func fuzz(
    _ name: String, samples: [[UInt8]], words: [String] = [], inputs: Int = FuzzSettings.inputs,
    isRefusal: (any Error) -> Bool = { $0 is ApusError }, _ parse: (_ input: [UInt8]) throws -> Void
) throws -> Int {
    for (index, sample) in samples.enumerated() {
        // A sample that is refused would make inputs that test nothing but the first check.
        do { try parse(sample) } catch { Issue.record("sample \(index) of \(name) is refused: \(error)") }
    }
    let place = FileManager.default.temporaryDirectory.appendingPathComponent("apus-fuzz-\(name)").path
    let file = open(place, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    defer {
        close(file)
        unlink(place)
    }
    var mutator = InputMutator(samples: samples, words: words.map { Array($0.utf8) }, seed: FuzzSettings.seed)
    var taken = 0
    var slowest = (duration: Duration.zero, index: 0)
    for index in 0..<inputs {
        let input = mutator.next()
        ftruncate(file, 0)
        _ = input.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        let start = ContinuousClock.now
        do {
            try parse(input)
            taken += 1
        } catch  where isRefusal(error) {
            // As it should be.
        } catch {
            Issue.record("input \(index) of \(name) ended with \(type(of: error)): \(error)\n\(shown(input))")
        }
        slowest = max(slowest, (ContinuousClock.now - start, index)) { $0.duration < $1.duration }
        if slowest.index == index, slowest.duration > .seconds(10) {
            Issue.record("input \(index) of \(name) took \(slowest.duration)\n\(shown(input))")
        }
    }
    if FuzzSettings.isByHand {
        print(
            "\(name): \(inputs) inputs, \(taken) taken, slowest \(slowest.duration), "
                + "at most \(Int(ProcessMemory.peakMiB)) MiB resident")
    }
    return taken
}

/// Writes a file anew. One that is truncated instead is flushed to the disk by some file systems, which takes milliseconds.
public func replaceFile(_ path: String, _ bytes: [UInt8]) throws {
    unlink(path)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
}

public enum FuzzSettings {
    /// Inputs for each parser.
    public static let inputs = number("APUS_FUZZ_INPUTS") ?? 1_000
    static let seed = UInt64(number("APUS_FUZZ_SEED") ?? 1)
    static let isByHand = number("APUS_FUZZ_INPUTS") != nil

    private static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap { Int($0) } }
}

private func shown(_ input: [UInt8]) -> String {
    "\(input.count) bytes, base 64: \(Data(input.prefix(3_000)).base64EncodedString())"
}

private func max<Value>(_ first: Value, _ second: Value, by isLess: (Value, Value) -> Bool) -> Value {
    isLess(first, second) ? second : first
}

/// Makes inputs from valid ones: bits flipped, bytes added, removed, repeated and exchanged between samples, numbers
/// replaced by treacherous ones, brackets nested, ends cut off; now and then nothing but noise.
struct InputMutator {
    private let samples: [[UInt8]]
    private let words: [[UInt8]]
    private var random: SplitMix64

    /// Larger inputs take time without being any worse.
    private static let largestInput = 1 << 17

    init(samples: [[UInt8]], words: [[UInt8]], seed: UInt64) {
        precondition(!samples.isEmpty, "inputs are made from at least one sample")
        self.samples = samples
        self.words = words
        random = SplitMix64(seed: seed)
    }

    mutating func next() -> [UInt8] {
        if chance(of: 30) { return noise(count: below(300)) }
        var input = samples[below(samples.count)]
        for _ in 0...below(4) { mutate(&input) }
        return input.count <= Self.largestInput ? input : Array(input.prefix(Self.largestInput))
    }

    private mutating func mutate(_ input: inout [UInt8]) {
        guard !input.isEmpty else {
            input = noise(count: 1 + below(40))
            return
        }
        switch below(13) {
        case 0: input[place(in: input)] ^= 1 << UInt8(below(8))
        case 1: input[place(in: input)] = UInt8(below(256))
        case 2: input.insert(UInt8(below(256)), at: below(input.count + 1))
        case 3: input.removeSubrange(part(of: input))
        case 4: input.removeLast(below(input.count))
        case 5: repeatPart(of: &input)
        case 6: splice(into: &input)
        case 7, 8: replaceNumber(in: &input)
        case 9, 10: replaceBinaryNumber(in: &input)
        case 11: nest(&input)
        default: insertWord(into: &input)
        }
    }

    // MARK: Mutations

    private mutating func repeatPart(of input: inout [UInt8]) {
        let range = part(of: input)
        let times = chance(of: 4) ? 1 + below(200) : 1
        let copies = Array(repeatElement(input[range], count: times).joined().prefix(Self.largestInput))
        input.insert(contentsOf: copies, at: range.upperBound)
    }

    private mutating func splice(into input: inout [UInt8]) {
        let other = samples[below(samples.count)]
        guard !other.isEmpty else { return }
        input.replaceSubrange(part(of: input), with: other[part(of: other)])
    }

    private static let numbers = [
        "0", "-0", "-1", "1", "2", "00", "0.5", "1e5", "1e-400", "1e400", "-1e999999999", "127", "256", "65536",
        "2147483647", "2147483648", "4294967296", "9007199254740993", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
        "99999999999999999999999999999999999999999", "NaN", "Infinity", "0x10", "1_000", ".", "-",
        "4611686018427387904",
    ].map { Array($0.utf8) }

    /// Puts a treacherous number in the place of one that is written in digits.
    private mutating func replaceNumber(in input: inout [UInt8]) {
        func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }
        let start = place(in: input)
        guard let first = input[start...].firstIndex(where: isDigit) ?? input.firstIndex(where: isDigit) else {
            return insertWord(into: &input)
        }
        let end = input[first...].firstIndex { !isDigit($0) } ?? input.endIndex
        input.replaceSubrange(first..<end, with: Self.numbers[below(Self.numbers.count)])
    }

    /// Overwrites 1, 2, 4 or 8 bytes, more often near the beginning, where headers are.
    private mutating func replaceBinaryNumber(in input: inout [UInt8]) {
        let candidates: [UInt64] = [
            0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
            0x1_0000_0000, 1 << 40, 1 << 62, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max, .max - 7,
            UInt64(input.count), UInt64(input.count + 1), UInt64(input.count) / 8,
        ]
        let value = candidates[below(candidates.count)]
        let start = chance(of: 2) ? below(min(input.count, 40)) : place(in: input)
        for index in 0..<(1 << below(4)) where start + index < input.count {
            input[start + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
        }
    }

    private static let openings = ["[", "{", "{\"a\":", "[[", "(", "- ", "? ", "\"", "\n ", "&a [*a, ", "a."].map {
        Array($0.utf8)
    }

    private mutating func nest(_ input: inout [UInt8]) {
        let opening = Self.openings[below(Self.openings.count)]
        let depth = chance(of: 4) ? 1 + below(20_000) : 1 + below(300)
        input.insert(contentsOf: repeatElement(opening, count: depth).joined(), at: below(input.count + 1))
    }

    private mutating func insertWord(into input: inout [UInt8]) {
        let word = words.isEmpty || chance(of: 4) ? Self.numbers[below(Self.numbers.count)] : words[below(words.count)]
        let range = chance(of: 2) ? part(of: input) : below(input.count + 1)..<input.count
        input.replaceSubrange(chance(of: 2) ? range.lowerBound..<range.lowerBound : range, with: word)
    }

    // MARK: Chance

    private mutating func noise(count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(below(256)) } }

    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

    private mutating func chance(of count: Int) -> Bool { below(count) == 0 }

    private mutating func place(in input: [UInt8]) -> Int { below(input.count) }

    /// Short stretches more often than long ones; at least one byte.
    private mutating func part(of input: [UInt8]) -> Range<Int> {
        let start = place(in: input)
        let longest = min(input.count - start, chance(of: 4) ? input.count : 16)
        return start..<start + 1 + below(longest)
    }
}
