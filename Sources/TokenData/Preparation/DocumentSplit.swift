import Numerics

/// Which of the two data sets a document belongs to.
public enum SplitSide: String, CaseIterable, Hashable, Sendable { case train, validation }

/// Divides documents into training and validation data by a hash of their bytes.
///
/// The same document is always on the same side, whatever else is in the corpus and in whatever order, so a corpus can
/// grow without validation text leaking into training.
package struct DocumentSplit: Sendable {
    let validationFraction: Double
    /// Hashes below this are validation.
    private let threshold: UInt64

    /// - Parameter validationFraction: the share of documents that validation gets; at least 0 and below 1.
    init(validationFraction: Double) throws {
        guard (0..<1).contains(validationFraction) else {
            throw ApusError(
                "splitting documents",
                "expected a validation fraction of at least 0 and below 1, found \(validationFraction)")
        }
        self.validationFraction = validationFraction
        threshold = UInt64(validationFraction * 0x1p64)
    }

    func side(ofHash hash: UInt64) -> SplitSide { hash < threshold ? .validation : .train }

    /// FNV-1a with 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/), mixed once more since its upper bits, which
    /// decide here, depend too little on the last bytes.
    package static func hash(_ bytes: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return SplitMix64.finalize(hash)
    }
}
