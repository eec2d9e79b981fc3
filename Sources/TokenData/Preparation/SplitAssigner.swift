import Numerics

/// Assigns documents to training and validation, and sees to it that both get something.
///
/// In a small corpus the hash alone may leave one side empty. So documents are held back until both sides have one; if
/// the corpus ends before, the document whose hash is closest to the other side changes over, and a single document is
/// cut in two.
struct SplitAssigner {
    typealias Receiver = (Document, SplitSide) throws -> Void

    /// What had to be done for both sides to have something.
    enum Adjustment: Hashable, Sendable {
        /// The document changed over to this side.
        case moved(document: String, to: SplitSide)
        /// The document was the only one; validation begins at this byte of it.
        case cut(document: String, at: Int, of: Int)
    }

    private let split: DocumentSplit
    private let receive: Receiver
    private var held: [(document: Document, hash: UInt64)] = []
    private var heldBytes = 0
    private var isHolding: Bool
    private var filledSides: Set<SplitSide> = []
    private var documentCount = 0

    /// Several documents with more text than this are passed on even if one side is still empty.
    private static let mostHeldBytes = 256 << 20

    init(_ split: DocumentSplit, receive: @escaping Receiver) {
        self.split = split
        self.receive = receive
        isHolding = split.validationFraction > 0
    }

    mutating func add(_ document: Document) throws {
        documentCount += 1
        if split.validationFraction == 0 { return try receive(document, .train) }
        let hash = DocumentSplit.hash(document.bytes)
        filledSides.insert(split.side(ofHash: hash))
        guard isHolding else { return try receive(document, split.side(ofHash: hash)) }
        held.append((document, hash))
        heldBytes += document.bytes.count
        if filledSides.count == 2 || (held.count > 1 && heldBytes > Self.mostHeldBytes) { try release() }
    }

    /// Passes on what is held. Returns what had to be adjusted, if anything.
    ///
    /// - Throws: `ApusError` if one side stays empty and the corpus is too large, or the document too short, to do
    ///   anything about it.
    mutating func finish() throws -> Adjustment? {
        guard split.validationFraction > 0, filledSides.count == 1, let side = filledSides.first else {
            try release()
            return nil
        }
        let emptySide: SplitSide = side == .train ? .validation : .train
        guard isHolding else {
            throw ApusError(
                "splitting documents", "all \(documentCount) documents fell to \(side), none to \(emptySide)",
                remedy: "choose another validation fraction, or 0 for none")
        }
        if documentCount == 1 { return try cut(held[0].document) }
        let candidates = held.indices
        let closest =
            emptySide == .validation
            ? candidates.min { held[$0].hash < held[$1].hash } : candidates.max { held[$0].hash < held[$1].hash }
        for (index, (document, _)) in held.enumerated() { try receive(document, index == closest ? emptySide : side) }
        return closest.map { .moved(document: held[$0].document.identifier, to: emptySide) }
    }

    private mutating func release() throws {
        isHolding = false
        for (document, hash) in held { try receive(document, split.side(ofHash: hash)) }
        held = []
    }

    private func cut(_ document: Document) throws -> Adjustment {
        guard let position = DocumentCut.position(in: document.bytes, lastFraction: split.validationFraction) else {
            throw ApusError(
                "splitting \(document.identifier)",
                "the only document has \(document.bytes.count) bytes, too few to cut a validation part off",
                remedy: "use more text, or a validation fraction of 0")
        }
        try receive(
            Document(bytes: Array(document.bytes[..<position]), source: document.source, place: document.place), .train)
        try receive(
            Document(bytes: Array(document.bytes[position...]), source: document.source, place: .byte(position)),
            .validation)
        return .cut(document: document.identifier, at: position, of: document.bytes.count)
    }
}

extension SplitAssigner.Adjustment: CustomStringConvertible {
    var description: String {
        switch self {
        case .moved(let document, let side):
            "no document fell to \(side) by its hash, so the nearest was taken: \(document)"
        case .cut(let document, let position, let size):
            "\(document) is the only document, so validation is cut off its end: bytes \(position) to \(size)"
        }
    }
}
