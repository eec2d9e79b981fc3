import Checkpointing
import Testing

/// Expected values are those of the reference implementation's own self-test, which hashes this buffer.
@Suite struct XXH64Tests {
    static let buffer: [UInt8] = {
        var state: UInt64 = 2_654_435_761
        return (0..<2243).map { _ in
            defer { state &*= 11_400_714_785_074_694_797 }
            return UInt8(state >> 56)
        }
    }()

    @Test(
        arguments: [
            (0, 0xEF46_DB37_51D8_E999, 0xAC75_FDA2_929B_17EF), (1, 0xE934_A84A_DB05_2768, 0x5014_6076_43A9_B4C3),
            (4, 0x9136_A0DC_A574_57EE, 0xCAAB_286B_D8E9_FDB5), (14, 0x8282_DCC4_994E_35C8, 0xC3BD_6BF6_3DEB_6DF0),
            (31, 0x299B_39A2_90E6_D783, 0xDA67_3D5F_EB5C_1D79), (32, 0x18B2_1649_2BB4_4B70, 0xB3F3_3BDF_93AD_E409),
            (33, 0x55C8_DC3E_578F_5B59, 0xE92C_292F_64BC_3071), (63, 0xA9EF_BE0F_A0F3_F4E7, 0x6C91_1FAD_B05B_6FC2),
            (64, 0xEF55_8F8A_CAC2_B5CD, 0xB5EE_BA99_264C_C44F), (222, 0xB641_AE8C_B691_C174, 0x20CB_8AB7_AE10_C14A),
            (2243, 0x6580_659B_3A2F_D03D, 0x7E2E_7265_EBD8_7AE5),
        ] as [(Int, UInt64, UInt64)])
    func matchesTheReference(count: Int, unseeded: UInt64, seeded: UInt64) {
        // At an odd address too: chunks of a file lie anywhere in memory.
        for shift in [0, 1] {
            let bytes = Array(repeating: 0, count: shift) + Self.buffer[..<count]
            bytes.withUnsafeBytes { all in
                let bytes = UnsafeRawBufferPointer(rebasing: all[shift...])
                #expect(XXH64.hash(bytes) == unseeded)
                #expect(XXH64.hash(bytes, seed: 2_654_435_761) == seeded)
            }
        }
    }

    @Test func isWrittenAsSixteenDigits() {
        #expect(Array("abc".utf8).withUnsafeBytes { XXH64.hexadecimal($0) } == "44bc2cf5ad770999")
        let lengths = Set(
            (0..<600).map { count in
                Self.buffer[..<count].withUnsafeBytes { XXH64.hexadecimal($0).utf8.count }
            })
        #expect(lengths == [16])
    }
}
