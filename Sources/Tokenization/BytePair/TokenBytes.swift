/// The bytes of every token, one after another in a single array, and the way back from bytes to id.
struct TokenBytes: Sendable {
    private var storage: [UInt8] = []
    /// Where each id's bytes are in `storage`; nil for ids that the vocabulary leaves out.
    private var ranges: [Range<Int>?] = []
    /// Open addressing over the bytes' hashes: ids of tokens that can be found by their bytes, -1 for free places.
    private var index: [Int32] = []
    private var indexed = 0

    /// Largest id + 1.
    var count: Int { ranges.count }

    subscript(_ token: Int32) -> ArraySlice<UInt8>? {
        guard token >= 0, Int(token) < ranges.count, let range = ranges[Int(token)] else { return nil }
        return storage[range]
    }

    /// The id of the token whose bytes are these.
    func token(for bytes: some Collection<UInt8>) -> Int32? {
        guard !index.isEmpty else { return nil }
        let token = index[place(of: bytes)]
        return token >= 0 ? token : nil
    }

    /// Gives `token` its bytes. If `findable`, ``token(for:)`` returns it from now on unless a token with the same bytes
    /// was there before.
    mutating func insert(_ bytes: some Collection<UInt8>, as token: Int32, findable: Bool) {
        if Int(token) >= ranges.count {
            ranges.append(contentsOf: repeatElement(nil, count: Int(token) + 1 - ranges.count))
        }
        ranges[Int(token)] = storage.count..<storage.count + bytes.count
        storage.append(contentsOf: bytes)
        guard findable else { return }
        if (indexed + 1) * 2 > index.count { growIndex() }
        let place = place(of: bytes)
        if index[place] < 0 {
            index[place] = token
            indexed += 1
        }
    }

    private mutating func growIndex() {
        let old = index
        index = [Int32](repeating: -1, count: max(old.count * 2, 1024))
        for token in old where token >= 0 { index[place(of: storage[ranges[Int(token)]!])] = token }
    }

    /// The place in the index that holds these bytes, or the free one where they belong.
    private func place(of bytes: some Collection<UInt8>) -> Int {
        // FNV-1a: tokens are short, and this is not on the way of encoding.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var place = Int(truncatingIfNeeded: hash ^ hash >> 32) & (index.count - 1)
        while index[place] >= 0, !storage[ranges[Int(index[place])]!].elementsEqual(bytes) {
            place = (place + 1) & (index.count - 1)
        }
        return place
    }
}
