import Numerics
import Testing

@Suite struct BFloat16BufferTests {
    private func rounded(_ values: [Float]) -> [UInt16] {
        var bits = [UInt16](repeating: 0, count: values.count)
        bits.withUnsafeMutableBufferPointer { BFloat16.round(values, into: $0.baseAddress!, count: values.count) }
        return bits
    }

    private func widened(_ bits: [UInt16]) -> [Float] {
        var values = [Float](repeating: 0, count: bits.count)
        values.withUnsafeMutableBufferPointer { BFloat16.widen(bits, into: $0.baseAddress!, count: bits.count) }
        return values
    }

    @Test func everyBFloat16SurvivesTheWayThroughFloats() {
        let all = (0...UInt16.max).filter { !Float(bitPattern: UInt32($0) << 16).isNaN }
        #expect(rounded(widened(all)) == all)
    }

    @Test(arguments: [
        // Halfway goes to the even neighbour, anything else to the nearer one.
        (UInt32(0x3F80_8000), UInt16(0x3F80)), (0x3F81_8000, 0x3F82), (0x3F80_8001, 0x3F81), (0x3F81_7FFF, 0x3F81),
        (0xBF81_8000, 0xBF82), (0x0000_8001, 0x0001), (0x7F7F_FFFF, 0x7F80), (0xFF80_0000, 0xFF80),
    ])
    func roundsToNearestEven(bits: UInt32, expected: UInt16) {
        #expect(rounded([Float(bitPattern: bits)]) == [expected])
    }

    @Test(arguments: [UInt32(0x7FFF_FFFF), 0x7F80_0001, 0xFFFF_FFFF, 0xFF80_0001, 0x7FC0_0000])
    func aNaNStaysOne(bits: UInt32) {
        #expect(widened(rounded([Float(bitPattern: bits)]))[0].isNaN)
    }
}
