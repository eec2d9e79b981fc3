/// How a tokenizer does on some text.
public struct CompressionReport {
    public private(set) var documents = 0
    public private(set) var bytes = 0
    public private(set) var tokens = 0
    /// The time that encoding took, on one thread.
    public private(set) var seconds = 0.0
    private var isUsed: [Bool]

    /// Bytes of text a token stands for; 0 before there is any text.
    public var bytesPerToken: Double { tokens == 0 ? 0 : Double(bytes) / Double(tokens) }
    public var megabytesPerSecond: Double { seconds == 0 ? 0 : Double(bytes) / seconds / 1e6 }
    /// Different tokens that the text has.
    public var usedTokens: Int { isUsed.count { $0 } }

    private let encoder: any TokenEncoder
    private var buffer: [Int32] = []

    public init(_ tokenizer: any Tokenizer) {
        encoder = tokenizer.makeEncoder()
        isUsed = [Bool](repeating: false, count: tokenizer.vocabularySize)
    }

    /// Encodes a document and adds what it gives.
    ///
    /// - Throws: what the tokenizer's encoder throws.
    public mutating func add(_ document: UnsafeBufferPointer<UInt8>) throws {
        buffer.removeAll(keepingCapacity: true)
        let elapsed = try ContinuousClock().measure { try encoder.encode(document, into: &buffer) }
        seconds += elapsed / .seconds(1)
        documents += 1
        bytes += document.count
        tokens += buffer.count
        for token in buffer { isUsed[Int(token)] = true }
    }
}
