/// The bytes of a pre-token in two words, for hash tables.
///
/// Up to 15 bytes are the key itself (the top byte is their count), so comparing two keys compares the bytes. Longer
/// ones have a hash of all bytes, and a top byte of 0xFF; who finds such a key must compare the bytes as well.
struct PreTokenKey: Equatable {
    var low: UInt64
    var high: UInt64

    /// The key of no pre-token: marks free places.
    static let none = PreTokenKey(low: 0, high: 0)
    static let inlineCapacity = 15

    var isInline: Bool { high >> 56 != 0xFF }

    @inline(__always)
    var hash: UInt64 {
        let product = (low ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: high ^ 0xD6E8_FEB8_6659_FD93)
        return product.high ^ product.low
    }

    /// The byte at `position` of a pre-token whose key is inline.
    func byte(_ position: Int) -> UInt8 {
        let count = Int(high >> 56)
        if position < 8 { return UInt8(truncatingIfNeeded: low >> UInt64(8 * (position + 8 - min(count, 8)))) }
        return UInt8(truncatingIfNeeded: high >> UInt64(8 * (position - 8 + 15 - count)))
    }

    /// The key of the bytes `start..<end` of `text`, which must lie inside of it.
    @inline(__always)
    init(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
        let count = end - start
        if count > Self.inlineCapacity {
            self.init(long: UnsafeBufferPointer(rebasing: text[start..<end]))
            return
        }
        let bytes = UnsafeRawPointer(text.baseAddress! + start)
        if start + 16 <= text.count {
            // Sixteen bytes are readable; those after `end` are shifted out.
            let first = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
            let second = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let counted = UInt64(truncatingIfNeeded: count) &<< 56
            if count <= 8 {
                self.init(low: first &<< UInt64(truncatingIfNeeded: 64 - 8 * count), high: counted)
            } else {
                let rest = second &<< UInt64(truncatingIfNeeded: 128 - 8 * count)
                self.init(low: first, high: rest &>> 8 | counted)
            }
        } else {
            self.init(nearEnd: bytes, count: count)
        }
    }

    init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// The same key as above, byte by byte, where fewer than sixteen are readable.
    @inline(never)
    private init(nearEnd bytes: UnsafeRawPointer, count: Int) {
        func word(_ range: Range<Int>) -> UInt64 {
            var word: UInt64 = 0
            for index in range.reversed() {
                word = word << 8 | UInt64(bytes.load(fromByteOffset: index, as: UInt8.self))
            }
            return word << UInt64(64 - 8 * range.count)
        }
        low = word(0..<min(count, 8))
        high = (count > 8 ? word(8..<count) >> 8 : 0) | UInt64(count) << 56
    }

    @inline(never)
    private init(long bytes: UnsafeBufferPointer<UInt8>) {
        var first: UInt64 = 0x243F_6A88_85A3_08D3
        var second = UInt64(bytes.count)
        let raw = UnsafeRawBufferPointer(bytes)
        var offset = 0
        while offset < bytes.count {
            // The last words overlap those before them; the count tells apart what that can't.
            let position = min(offset, bytes.count - 8)
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let product = (first ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
            first = product.low ^ product.high
            second = (second ^ first) &* 0xD6E8_FEB8_6659_FD93
            offset += 8
        }
        low = first
        high = second >> 8 | 0xFF << 56
    }
}
