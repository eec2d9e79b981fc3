import Glibc
import Numerics

/// Writes a Megatron indexed data set, one document after the other, each as one sequence.
///
/// The files are `<prefix>.bin.partial` and `<prefix>.idx.partial` until they are published; a writer that is let go
/// before that removes them. Memory: four bytes a document.
public final class MegatronShardWriter {
    public let prefix: String
    public private(set) var tokenCount = 0
    public var documentCount: Int { lengths.count }

    private let element: TokenElement
    private let elementCode: UInt8
    private let vocabularySize: Int
    private let tokens: PartialFile
    private let index: PartialFile
    private var lengths: [Int32] = []
    private var narrow: [UInt16] = []

    /// - Parameter vocabularySize: decides the type of the tokens as Megatron does: u16 below 65,500, else i32.
    public init(prefix: String, vocabularySize: Int) throws {
        self.prefix = prefix
        self.vocabularySize = vocabularySize
        (element, elementCode) = TokenElement.megatron(vocabularySize: vocabularySize)
        tokens = try PartialFile(path: prefix + ".bin")
        index = try PartialFile(path: prefix + ".idx")
    }

    /// - Throws: `ApusError` if a token is outside the vocabulary, the document has 2³¹ tokens or more, or the disk is
    ///   full.
    public func append(document: UnsafeBufferPointer<Int32>) throws {
        guard let length = Int32(exactly: document.count) else {
            throw ApusError(
                "writing \(prefix).bin", "a document has \(document.count) tokens; the format allows \(Int32.max)",
                remedy: "cut the document into several")
        }
        if let outsider = document.first(where: { !(0..<vocabularySize).contains(Int($0)) }) {
            throw ApusError(
                "writing \(prefix).bin", "the tokenizer gave token \(outsider), outside its \(vocabularySize) tokens")
        }
        switch element {
        case .uint16:
            narrow.removeAll(keepingCapacity: true)
            narrow.append(contentsOf: document.lazy.map { UInt16(truncatingIfNeeded: $0).littleEndian })
            try narrow.withUnsafeBytes { try tokens.write($0) }
        default:
            for token in document { try tokens.write(token) }
        }
        lengths.append(length)
        tokenCount += document.count
    }

    /// Writes the index and brings both files to the disk, still under their temporary names.
    public func finish() throws {
        try index.write(MegatronIndex.magic)
        try index.write(MegatronIndex.version)
        try index.write(elementCode)
        try index.write(UInt64(lengths.count))
        try index.write(UInt64(lengths.count + 1))
        for length in lengths { try index.write(length) }
        var pointer: Int64 = 0
        for length in lengths {
            try index.write(pointer)
            pointer += Int64(length) * Int64(element.byteCount)
        }
        for document in 0...lengths.count { try index.write(Int64(document)) }
        try tokens.finish()
        try index.finish()
    }

    /// Gives the finished files their names, in place of files that have them.
    ///
    /// An interruption at any moment leaves a pair that is refused for want of its `.bin`, never an old file beside a
    /// new one, nor a `.bin` on its own, which could be taken for a nanoGPT shard.
    public func publish() throws {
        unlink(tokens.path)
        try index.publish()
        try tokens.publish()
        Self.syncFolder(of: prefix)
    }

    /// Removes what was written, unless it was published: at once, whoever still holds the writer.
    public func abandon() {
        tokens.abandon()
        index.abandon()
    }

    /// Makes the renames last through a power cut. Not every file system can; those that can't say so, and that is all.
    private static func syncFolder(of path: String) {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}

extension PartialFile {
    fileprivate func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try write($0) }
    }
}
