import Numerics
import Testing

@Suite struct DropoutMaskTests {
    private func factors(_ mask: DropoutMask, _ elements: Range<Int>, row: UInt32 = 3) -> [Float] {
        [Float](unsafeUninitializedCapacity: elements.count) { buffer, count in
            mask.write(elements, counter: (row, 5, 0), into: buffer.baseAddress!)
            count = elements.count
        }
    }

    @Test func anyRangeGivesThePartOfTheWhole() {
        let mask = DropoutMask(probability: 0.3, key: (1, 2))
        let whole = factors(mask, 0..<1000)
        for range in [0..<1, 127..<129, 100..<700, 128..<256, 999..<1000, 5..<5] {
            #expect(factors(mask, range) == Array(whole[range]))
        }
    }

    @Test func dropsWithTheProbabilityAndKeepsTheExpectation() {
        let mask = DropoutMask(probability: 0.1, key: (1, 2))
        let rows = (0..<200).map { factors(mask, 0..<1000, row: $0) }
        let dropped = rows.joined().count { $0 == 0 }
        // 200,000 draws: four standard deviations are 537.
        #expect(abs(dropped - 20_000) < 540)
        #expect(rows.joined().allSatisfy { $0 == 0 || $0 == mask.scale })
        #expect(abs(mask.scale * 0.9 - 1) < 1e-4)
        #expect(rows[0] != rows[1])
    }

    @Test func theExtremesKeepOrDropEverything() {
        #expect(factors(DropoutMask(probability: 0, key: (1, 2)), 0..<300).allSatisfy { $0 == 1 })
        #expect(factors(DropoutMask(probability: 1, key: (1, 2)), 0..<300).allSatisfy { $0 == 0 })
    }
}
