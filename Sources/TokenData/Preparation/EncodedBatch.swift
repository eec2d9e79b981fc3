import Numerics
import Tokenization

/// Some documents, to be encoded by one thread at once.
struct DocumentBatch {
    private(set) var documents: [(document: Document, side: SplitSide)] = []
    private(set) var bytes = 0

    mutating func append(_ document: Document, _ side: SplitSide) {
        documents.append((document, side))
        bytes += document.bytes.count
    }
}

/// The tokens of a batch of documents, end-of-text tokens included.
struct EncodedBatch {
    struct Entry {
        let side: SplitSide
        let bytes: Int
        let tokens: Range<Int>
    }

    private(set) var tokens: [Int32] = []
    private(set) var entries: [Entry] = []

    /// - Throws: `ApusError` naming the document that can't be encoded.
    init(_ batch: DocumentBatch, encoder: any TokenEncoder, endOfText: Int32?) throws {
        tokens.reserveCapacity(batch.bytes / 2)
        for (document, side) in batch.documents {
            let start = tokens.count
            do {
                try document.bytes.withUnsafeBufferPointer { try encoder.encode($0, into: &tokens) }
            } catch let error as ApusError {
                throw ApusError(
                    "encoding \(document.identifier)", error.problem, remedy: error.remedy, kind: error.kind)
            }
            if let endOfText { tokens.append(endOfText) }
            entries.append(Entry(side: side, bytes: document.bytes.count, tokens: start..<tokens.count))
        }
    }
}
