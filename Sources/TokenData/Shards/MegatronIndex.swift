import Numerics

/// The index (`.idx`) of a Megatron data set, all little-endian and unaligned:
///
///     0   9 bytes  "MMIDIDX" and two zeros
///     9   u64      version, 1
///     17  u8       token type
///     18  u64      S, sequences
///     26  u64      D, entries of the document index: documents + 1
///     34  i32 × S  tokens of each sequence
///         i64 × S  where each begins in the .bin, in bytes
///         i64 × D  the sequence that begins each document; the first 0, the last S
///         i8 × S   modes, in multimodal data only
///
/// Source: `megatron/core/datasets/indexed_dataset.py` of Megatron-LM.
struct MegatronIndex: Sendable {
    static let magic = Array("MMIDIDX\0\0".utf8)
    static let version: UInt64 = 1
    static let headerSize = 34

    let file: MappedFile
    let element: TokenElement
    let sequenceCount: Int
    /// Documents + 1.
    let entryCount: Int

    /// Maps the file and makes sure that the header agrees with its size. The entries are still to be checked.
    init(path: String) throws {
        file = try MappedFile(path: path)
        let size = file.bytes.count
        guard file.bytes.prefix(Self.magic.count).elementsEqual(Self.magic.prefix(size)) else {
            throw file.refusal(
                "expected a Megatron index, which begins with MMIDIDX and two zeros, found other bytes",
                remedy: "name the prefix of a .bin and .idx pair")
        }
        guard size >= Self.headerSize else { throw file.truncated("a header of \(Self.headerSize) bytes") }
        let version = file.integer(at: 9, as: UInt64.self)
        guard version == Self.version else {
            throw file.refusal("expected version \(Self.version), found version \(version)", remedy: nil)
        }
        let code = file.integer(at: 17, as: UInt8.self)
        guard let element = TokenElement(megatronCode: code) else {
            throw file.refusal(
                "expected a type code for integers (1 to 5 or 8), found \(code)",
                remedy: "only data sets of token ids can be trained on")
        }
        // Counts that can't fit in the file are refused before anything is computed from them.
        let sequences = file.integer(at: 18, as: UInt64.self)
        let entries = file.integer(at: 26, as: UInt64.self)
        let counts = "\(sequences) sequences and \(entries) document entries"
        guard sequences <= UInt64(size) / 12, entries <= UInt64(size) / 8 else { throw file.truncated(counts) }
        let expected = Self.headerSize + 12 * Int(sequences) + 8 * Int(entries)
        guard size >= expected else { throw file.truncated("\(expected) bytes for \(counts)") }
        guard size == expected || size == expected + Int(sequences) else {
            throw file.refusal(
                "expected \(expected) bytes for \(counts), found \(size)", remedy: "the file is damaged")
        }
        guard entries >= 1 else {
            throw file.refusal("expected at least one document entry, found none", remedy: "the file is damaged")
        }
        self.element = element
        sequenceCount = Int(sequences)
        entryCount = Int(entries)
    }

    /// In tokens.
    func length(ofSequence sequence: Int) -> Int {
        Int(file.integer(at: Self.headerSize + 4 * sequence, as: Int32.self))
    }

    /// Where a sequence begins in the `.bin`, in bytes.
    func pointer(toSequence sequence: Int) -> Int {
        Int(file.integer(at: Self.headerSize + 4 * sequenceCount + 8 * sequence, as: Int64.self))
    }

    /// The first sequence of a document; of the entry after the last document, the number of sequences.
    func firstSequence(ofDocument document: Int) -> Int {
        Int(file.integer(at: Self.headerSize + 12 * sequenceCount + 8 * document, as: Int64.self))
    }

    // MARK: Checking

    /// Sequences must follow each other without gaps and fill the `.bin` exactly.
    func checkSequences(against tokens: MappedFile) throws {
        let size = tokens.bytes.count
        var position = 0
        for sequence in 0..<sequenceCount {
            let length = length(ofSequence: sequence)
            let pointer = pointer(toSequence: sequence)
            guard length >= 0 else {
                throw file.refusal("sequence \(sequence) has length \(length)", remedy: "the file is damaged")
            }
            guard pointer == position else {
                throw file.refusal(
                    "expected sequence \(sequence) at byte \(position) of the .bin, found it at \(pointer)",
                    remedy: "the file is damaged, or its sequences are not in a row")
            }
            position += length * element.byteCount
            guard position <= size else {
                throw tokens.truncated("\(position) bytes or more for sequences 0 to \(sequence) of \(file.path)")
            }
        }
        guard position == size else {
            throw tokens.refusal(
                "expected \(position) bytes for the \(sequenceCount) sequences of \(file.path), found \(size)",
                remedy: "the two files don't belong together, or one was replaced")
        }
    }

    /// Documents must begin with sequence 0, go forwards, and end with the last sequence.
    func checkDocuments() throws {
        var previous = 0
        for entry in 0..<entryCount {
            let sequence = firstSequence(ofDocument: entry)
            let allowed = entry == 0 ? 0...0 : previous...sequenceCount
            guard allowed.contains(sequence) else {
                throw file.refusal(
                    "expected document entry \(entry) to be from \(allowed.lowerBound) to \(allowed.upperBound), "
                        + "found \(sequence)",
                    remedy: "the file is damaged")
            }
            previous = sequence
        }
        guard previous == sequenceCount else {
            throw file.refusal(
                "expected the last document to end with sequence \(sequenceCount), found \(previous)",
                remedy: "the file is damaged")
        }
    }
}
