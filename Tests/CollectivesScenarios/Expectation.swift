import Collectives
import Foundation

/// What a check was made on, for the message of one that fails.
struct Subject {
    let communicator: any Communicator
    /// Which implementation, sizes and group.
    let name: String

    var rank: Int { communicator.rank }
    var size: Int { communicator.size }

    func fail(_ collective: String, expected: String, found: String) -> Never {
        print("rank \(rank) of \(size), \(name): \(collective): expected \(expected), found \(found)")
        MPIRuntime.abort(code: 1)
    }

    /// Bits are compared, so that the sign of zero and the rounding of the last digit count.
    func expect<Element>(
        _ collective: String, _ found: some Collection<Element>, equals expected: (_ index: Int) -> Element
    ) where Element: BitwiseCopyable {
        for (index, value) in found.enumerated() {
            let wanted = expected(index)
            if bits(of: value) != bits(of: wanted) {
                fail("\(collective), element \(index) of \(found.count)", expected: "\(wanted)", found: "\(value)")
            }
        }
    }

    func expect(_ condition: Bool, _ what: String) {
        if !condition { fail(what, expected: "true", found: "false") }
    }
}

private func bits<Value: BitwiseCopyable>(of value: Value) -> UInt64 {
    var bits: UInt64 = 0
    withUnsafeMutableBytes(of: &bits) { bits in
        withUnsafeBytes(of: value) { bits.copyMemory(from: UnsafeRawBufferPointer($0)) }
    }
    return bits
}

/// Numbers of which every sum is rounded, so that the order of summation shows: a hash of rank, index and salt.
func value(_ rank: Int, _ index: Int, salt: Int) -> Double {
    var bits = UInt64(truncatingIfNeeded: (rank + 1) * 0x9E37_79B9 + index &* 0x85EB_CA6B + salt &* 0xC2B2_AE35)
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    bits ^= bits >> 31
    let magnitude = Double(1 << (bits & 7))
    return (Double(bits >> 11) / Double(1 << 52) - 1) * magnitude
}

/// The contributions of ranks `first..<end` combined as every implementation must: the largest power of two of them
/// first, then the rest.
func combined<Element>(
    _ first: Int, _ end: Int, _ contribution: (Int) -> Element, _ combine: (Element, Element) -> Element
) -> Element {
    if end - first == 1 { return contribution(first) }
    var left = 1
    while left * 2 < end - first { left *= 2 }
    return combine(
        combined(first, first + left, contribution, combine), combined(first + left, end, contribution, combine))
}
