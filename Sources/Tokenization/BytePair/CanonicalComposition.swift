import Foundation

/// Unicode's normalization form C of text that may have anything in it.
enum CanonicalComposition {
    /// `text` in canonical composition; nil if it certainly is that already. What isn't UTF-8 stays as it is.
    ///
    /// An ASCII character never combines with what precedes it, so the text is composed in pieces that begin with one,
    /// and only those that have something to compose.
    static func compose(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.contains(where: canChange) else { return nil }
        var composed: [UInt8] = []
        composed.reserveCapacity(text.count)
        var copied = 0
        var position = 0
        while let found = text[position...].firstIndex(where: canChange) {
            let isASCII = { (byte: UInt8) in byte < 0x80 }
            let start = text[copied..<found].lastIndex(where: isASCII) ?? copied
            let end = text[found...].firstIndex(where: isASCII) ?? text.count
            composed.append(contentsOf: text[copied..<start])
            if let piece = String(validating: text[start..<end], as: UTF8.self) {
                composed.append(contentsOf: piece.precomposedStringWithCanonicalMapping.utf8)
            } else {
                composed.append(contentsOf: text[start..<end])
            }
            copied = end
            position = end
        }
        composed.append(contentsOf: text[copied...])
        return composed
    }

    /// Characters below U+0300, whose first byte is 0xCC, are composed and combine with nothing before them.
    private static func canChange(_ byte: UInt8) -> Bool { byte >= 0xCC }
}
