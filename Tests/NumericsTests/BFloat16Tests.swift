import Numerics
import Testing

@Suite struct BFloat16Tests {
    /// 1 + k/128 are neighbours; what lies half-way between two goes to the even one.
    @Test(
        arguments: [
            (1, 1), (1.003, 1), (1.005, 1.007_812_5), (1.003_906_25, 1), (1.011_718_75, 1.015_625),
            (-1.011_718_75, -1.015_625), (0, 0), (3.389_531_4e38, 3.389_531_4e38),
        ] as [(Float, Float)])
    func rounding(value: Float, expected: Float) { #expect(BFloat16.widen(BFloat16.round(value)) == expected) }

    @Test func everyPatternComesBack() {
        for bits in UInt16.min...UInt16.max {
            let value = BFloat16.widen(bits)
            if value.isNaN {
                #expect(BFloat16.widen(BFloat16.round(value)).isNaN)
            } else {
                #expect(BFloat16.round(value) == bits)
            }
        }
    }

    @Test func whatIsNotANumberStaysSo() {
        for bits: UInt32 in [0x7F80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF] {
            #expect(BFloat16.widen(BFloat16.round(Float(bitPattern: bits))).isNaN)
        }
        #expect(BFloat16.widen(BFloat16.round(.infinity)) == .infinity)
        #expect(BFloat16.widen(BFloat16.round(-.infinity)) == -.infinity)
    }
}
