import Numerics

/// A Megatron indexed data set: `<prefix>.bin` with the tokens, `<prefix>.idx` with the documents.
public struct MegatronDataset: TokenDataset {
    private let tokens: TokenArray
    private let index: MegatronIndex

    /// Maps both files and checks every entry of the index.
    ///
    /// - Throws: `ApusError` naming the file, what was expected and what was found.
    public init(prefix: String) throws {
        index = try MegatronIndex(path: prefix + ".idx")
        let file = try MappedFile(path: prefix + ".bin")
        try index.checkSequences(against: file)
        try index.checkDocuments()
        tokens = TokenArray(
            file: file, element: index.element, offset: 0, count: file.bytes.count / index.element.byteCount)
    }

    public var path: String { tokens.file.path }
    public var format: String { "Megatron indexed data set, \(tokens.element.rawValue)" }
    public var tokenCount: Int { tokens.count }
    public var documentCount: Int { index.entryCount - 1 }
    /// A document may consist of several sequences, such as sentences. Apus writes one for each document.
    public var sequenceCount: Int { index.sequenceCount }

    public func documentRange(_ document: Int) -> Range<Int> {
        precondition(0..<documentCount ~= document, "document \(document) of \(documentCount) in \(path)")
        func firstToken(ofDocument document: Int) -> Int {
            let sequence = index.firstSequence(ofDocument: document)
            return sequence == sequenceCount
                ? tokenCount : index.pointer(toSequence: sequence) / index.element.byteCount
        }
        return firstToken(ofDocument: document)..<firstToken(ofDocument: document + 1)
    }

    public func copyTokens(from start: Int, into destination: UnsafeMutableBufferPointer<Int32>) throws {
        try tokens.copy(from: start, into: destination)
    }
}
