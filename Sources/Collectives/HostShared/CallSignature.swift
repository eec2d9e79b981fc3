import Foundation

/// What a rank is about to do, where the others can see it: ranks that do not make the same calls in the same order
/// would otherwise mix up each other's data without notice.
struct CallSignature: Equatable, BitwiseCopyable {
    /// What must be equal on all ranks: the kind of call, its reduction, element type or root …
    var operation: UInt64
    var bytes: UInt64
    /// … and where in shared memory the buffer lies, 0 for ordinary memory.
    var place: UInt64

    /// For messages only: a label may contain a rank.
    private typealias LabelBytes = (UInt64, UInt64, UInt64, UInt64, UInt64)
    private var label: LabelBytes = (0, 0, 0, 0, 0)

    /// A cache line, so that ranks do not disturb each other.
    static let strideBytes = 64

    init(_ kind: CollectiveKind, detail: UInt64, bytes: Int, place: UInt64, label: String) {
        operation = UInt64(kind.rawValue) << 56 | detail
        self.bytes = UInt64(bytes)
        self.place = place
        withUnsafeMutableBytes(of: &self.label) { stored in
            for (index, byte) in label.utf8.prefix(stored.count).enumerated() { stored[index] = byte }
        }
    }

    static func == (a: CallSignature, b: CallSignature) -> Bool {
        a.operation == b.operation && a.bytes == b.bytes && a.place == b.place
    }

    var description: String {
        let kind = CollectiveKind(rawValue: UInt8(truncatingIfNeeded: operation >> 56))
        let label = withUnsafeBytes(of: label) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return "\(kind.map(\.description) ?? "nothing") '\(label)' of \(bytes) bytes"
    }
}
