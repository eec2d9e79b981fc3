import Numerics
import Testing

@Suite struct PhiloxTests {
    struct KnownAnswer: Sendable {
        let key: (UInt32, UInt32)
        let counter: (UInt32, UInt32, UInt32, UInt32)
        let output: (UInt32, UInt32, UInt32, UInt32)
    }

    /// The lines "philox4x32 10" of `kat_vectors` in Random123 1.14 (D. E. Shaw Research).
    @Test(arguments: [
        KnownAnswer(
            key: (0, 0), counter: (0, 0, 0, 0),
            output: (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)),
        KnownAnswer(
            key: (.max, .max), counter: (.max, .max, .max, .max),
            output: (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)),
        KnownAnswer(
            key: (0xa409_3822, 0x299f_31d0), counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
            output: (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)),
    ])
    func matchesTheReference(_ answer: KnownAnswer) {
        #expect(Philox.block(key: answer.key, counter: answer.counter) == answer.output)
    }

    @Test func streamsOfASeedDiffer() {
        let keys = (0..<1000).map { Philox.key(seed: 7, stream: $0) }.map { UInt64($0.0) << 32 | UInt64($0.1) }
        #expect(Set(keys).count == 1000)
        #expect(Philox.key(seed: 8, stream: 0) != Philox.key(seed: 7, stream: 0))
        #expect(Philox.key(seed: 8, stream: 0) == Philox.key(seed: 8, stream: 0))
    }
}
